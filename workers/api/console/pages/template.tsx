import { useState } from "preact/hooks";
import { useResource } from "../resource.ts";
import { linkTo } from "../router.ts";
import { call } from "../session.ts";
import {
  blank,
  editedOf,
  templateState,
  type Edited,
  type ShownTemplate,
} from "../template-state.ts";
import { announce } from "../ui/announce.tsx";
import { Section, State, Time } from "../ui/bits.tsx";
import { Action } from "../ui/confirm.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Table } from "../ui/table.tsx";
import { TemplateEditor } from "../ui/template-editor.tsx";

export function TemplatePage({ name }: { name: string }) {
  const template = useResource("getTemplate", { params: { name } });
  if (template.body === null && template.failure?.status === 404)
    return (
      <>
        <p class="lead">
          There is no template <code>{name}</code> yet. Your first version creates it.{" "}
          <a href={linkTo("templates")}>To the templates</a>
        </p>
        <TemplateEditor name={name} template={null} from={blank} />
      </>
    );
  return (
    <Loaded reading={template} lines={12}>
      {(body) => <Details template={body} />}
    </Loaded>
  );
}

function Details({ template }: { template: ShownTemplate }) {
  const { tone, text } = templateState(template);
  // What the editor begins with: it keeps what was typed while the template is read again.
  const [begun, setBegun] = useState<{ from: Edited; of: string; n: number }>(() => ({
    from: editedOf(template),
    of: nameOfVersion(template.version),
    n: 0,
  }));
  const edit = async (version: number): Promise<void> => {
    const params = { name: template.name, version: String(version) };
    const found = await call("getTemplateVersion", { params });
    if (!found.ok) return announce(`${found.title}. ${found.detail}`, "bad");
    setBegun(({ n }) => ({
      from: editedOf(found.body),
      of: nameOfVersion(version),
      n: n + 1,
    }));
  };
  return (
    <>
      <p class="lead">
        <State tone={tone}>{text}</State> Emails that name <code>{template.name}</code> get the
        published version. <a href={linkTo("templates")}>To the templates</a>
      </p>
      <TemplateEditor
        key={begun.n}
        name={template.name}
        template={template}
        from={begun.from}
        of={begun.of}
      />
      {template.source === "shared" && <Versions template={template} edit={edit} />}
      <Test template={template} />
      {template.source === "shared" && <Delete template={template} />}
    </>
  );
}

const nameOfVersion = (version: number | undefined): string =>
  version === undefined ? "the built-in template" : `version ${version}`;

function Versions({
  template: { name, versions, publishedVersion },
  edit,
}: {
  template: ShownTemplate;
  edit: (version: number) => Promise<void>;
}) {
  return (
    <Section title="Versions">
      <Table
        caption="Versions, newest first"
        rows={versions}
        keyOf={({ version }) => version}
        empty="None."
        columns={[
          { head: "Version", cell: ({ version }) => version },
          { head: "Subject", kind: "wide", cell: ({ subject }) => subject },
          { head: "Author", cell: ({ author }) => author },
          { head: "Stored", cell: ({ createdAt }) => <Time at={createdAt} /> },
          {
            head: "State",
            cell: ({ version }) =>
              version === publishedVersion ? <State tone="good">published</State> : "–",
          },
          {
            head: "Actions",
            kind: "actions",
            cell: ({ version }) => (
              <div class="buttons">
                <button
                  type="button"
                  class="quiet"
                  aria-label={`Edit from version ${version}`}
                  onClick={() => void edit(version)}
                >
                  Edit
                </button>
                {version !== publishedVersion && (
                  <Publish name={name} version={version} published={publishedVersion} />
                )}
              </div>
            ),
          },
        ]}
      />
    </Section>
  );
}

function Publish({
  name,
  version,
  published,
}: {
  name: string;
  version: number;
  published: number | undefined;
}) {
  const isOlder = published !== undefined && version < published;
  return (
    <Action
      operation="publishTemplateVersion"
      label={isOlder ? "Roll back" : "Publish"}
      of={`${isOlder ? "to " : ""}version ${version}`}
      explains={
        <p>
          Emails that name {name} get version {version} from now on. Emails that were accepted keep
          theirs.
        </p>
      }
      done={`Version ${version} of ${name} is published.`}
      act={() => call("publishTemplateVersion", { params: { name, version: String(version) } })}
    />
  );
}

function Test({
  template: { name, publishedVersion, latestVersion },
}: {
  template: ShownTemplate;
}) {
  const [to, setTo] = useState("");
  const version = publishedVersion ?? latestVersion;
  return (
    <Section title="Send a test">
      <div class="form">
        <label>
          Address
          <input
            type="email"
            value={to}
            autocomplete="off"
            spellcheck={false}
            onInput={({ currentTarget }) => setTo(currentTarget.value.trim())}
          />
        </label>
        <Action
          operation="testTemplate"
          label="Send"
          of={`${nameOfVersion(version)} to ${to}`}
          lacks={to === "" ? "Enter an address." : undefined}
          explains={
            <p>The test has the data of the example, and counts as an email of the operator.</p>
          }
          done={`The test to ${to} is accepted.`}
          act={() => call("testTemplate", { params: { name }, body: { to } })}
        />
      </div>
    </Section>
  );
}

function Delete({ template: { name } }: { template: ShownTemplate }) {
  return (
    <div class="buttons">
      <Action
        operation="deleteTemplate"
        label="Delete"
        of={name}
        tone="danger"
        explains={
          <p>
            All its versions are deleted. Emails that name it are refused, or get the built-in
            template of that name. Emails that were accepted are still sent.
          </p>
        }
        done={`The template ${name} is deleted.`}
        act={() => call("deleteTemplate", { params: { name } })}
        after={() => (location.hash = linkTo("templates"))}
      />
    </div>
  );
}
