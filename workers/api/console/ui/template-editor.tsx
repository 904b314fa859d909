import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { AnswerBody, CallOutcome } from "../api.ts";
import { call } from "../session.ts";
import { draftFrom, lineDiff, type Edited, type ShownTemplate } from "../template-state.ts";
import { Section } from "./bits.tsx";
import { Action } from "./confirm.tsx";
import { HtmlFrame } from "./html-frame.tsx";

/** How long after the last key the preview is made. */
const SETTLED_MS = 400;

type Preview = AnswerBody<"previewTemplateDraft">;

/** `template`: null for one that is not stored yet. `of`: what the editor began with. */
export function TemplateEditor({
  name,
  template,
  from,
  of,
}: {
  name: string;
  template: ShownTemplate | null;
  from: Edited;
  of?: string;
}) {
  const [edited, setEdited] = useState(from);
  const set = (change: Partial<Edited>): void => setEdited((now) => ({ ...now, ...change }));
  const { preview, wrong } = usePreview(name, edited);
  const isNew = template === null || template.source === "built-in";
  return (
    <div class="columns">
      <Section title={of === undefined ? "New template" : `Edit from ${of}`}>
        <Field label="Subject">
          <input
            type="text"
            value={edited.subject}
            autocomplete="off"
            onInput={({ currentTarget }) => set({ subject: currentTarget.value })}
          />
        </Field>
        <Source label="HTML" rows={14} value={edited.html} set={(html) => set({ html })} />
        <Source
          label="Text (optional: by default it is made from the HTML)"
          rows={6}
          value={edited.text}
          set={(text) => set({ text })}
        />
        <Source
          label="Example, as JSON"
          rows={6}
          value={edited.example}
          set={(example) => set({ example })}
        />
        <label class="check">
          <input
            type="checkbox"
            checked={edited.layout}
            onInput={({ currentTarget }) => set({ layout: currentTarget.checked })}
          />
          Put the layout of the brand around it
        </label>
        <div class="buttons">
          <Save name={name} edited={edited} isNew={isNew} wrong={wrong} publish={false} />
          <Save name={name} edited={edited} isNew={isNew} wrong={wrong} publish />
        </div>
      </Section>
      <Section title="Preview">
        {wrong !== null && (
          <p class="failing" role="alert">
            {wrong}
          </p>
        )}
        {preview !== null && <Shown preview={preview} />}
        <Changes from={from.html} to={edited.html} of={of} />
      </Section>
    </div>
  );
}

const noObject = "example must be a JSON object";

/** The last preview that was possible, and why the present text has none. */
function usePreview(
  name: string,
  edited: Edited,
): { preview: Preview | null; wrong: string | null } {
  const [state, setState] = useState<{ preview: Preview | null; wrong: string | null }>({
    preview: null,
    wrong: null,
  });
  useEffect(() => {
    let isCurrent = true;
    const show = async (): Promise<void> => {
      const draft = draftFrom(edited);
      const outcome = draft === null ? noObject : await previewOf(name, draft);
      if (!isCurrent) return;
      setState(({ preview }) =>
        typeof outcome === "string"
          ? { preview, wrong: outcome }
          : { preview: outcome, wrong: null },
      );
    };
    const timer = setTimeout(() => void show(), SETTLED_MS);
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [name, edited]);
  return state;
}

async function previewOf(
  name: string,
  body: NonNullable<ReturnType<typeof draftFrom>>,
): Promise<Preview | string> {
  if (body.subject === "" || body.html === "") return "Write a subject and HTML to see it.";
  const outcome = await call("previewTemplateDraft", { params: { name }, body });
  return outcome.ok ? outcome.body : `${outcome.title}. ${outcome.detail}`;
}

function Shown({ preview }: { preview: Preview }) {
  const [as, setAs] = useState<"HTML" | "Text">("HTML");
  const { subject, html, text, fields } = preview;
  return (
    <>
      <p>
        <strong>{subject}</strong>
      </p>
      <p class="since">
        {fields.length === 0 ? "It uses no data." : `It uses ${fields.join(", ")}.`}
      </p>
      <div class="buttons" role="group" aria-label="Part">
        {(["HTML", "Text"] as const).map((part) => (
          <button
            key={part}
            type="button"
            class="quiet"
            aria-pressed={as === part}
            onClick={() => setAs(part)}
          >
            {part}
          </button>
        ))}
      </div>
      {as === "HTML" && <HtmlFrame title={`Preview of ${subject}`} html={html} withImages />}
      {as === "Text" &&
        (text === undefined ? (
          <p>Each transport makes it from the HTML.</p>
        ) : (
          <pre class="raw" tabIndex={0}>
            {text}
          </pre>
        ))}
    </>
  );
}

function Changes({ from, to, of }: { from: string; to: string; of?: string | undefined }) {
  if (of === undefined || from === to) return null;
  const lines = lineDiff(from, to);
  return (
    <details>
      <summary>Changes of the HTML since {of}</summary>
      {lines === null ? (
        <p>It is too long to compare.</p>
      ) : (
        <pre class="raw" tabIndex={0}>
          {lines
            .filter(({ sign }) => sign !== " ")
            .map(({ sign, line }) => `${sign} ${line}`)
            .join("\n")}
        </pre>
      )}
    </details>
  );
}

function Save({
  name,
  edited,
  isNew,
  wrong,
  publish,
}: {
  name: string;
  edited: Edited;
  isNew: boolean;
  wrong: string | null;
  publish: boolean;
}) {
  const act = async (): Promise<CallOutcome<unknown>> => {
    const draft = draftFrom(edited);
    if (draft === null)
      return { ok: false, status: 0, title: noObject, detail: "", retryAfterMs: null, body: null };
    const body = { ...draft, publish };
    return isNew
      ? await call("createTemplate", { body: { name, ...body } })
      : await call("addTemplateVersion", { params: { name }, body });
  };
  return (
    <Action
      operation={isNew ? "createTemplate" : "addTemplateVersion"}
      label={publish ? "Store and publish" : "Store"}
      of={name}
      lacks={wrong ?? undefined}
      explains={
        <p>
          {publish
            ? `It becomes the next version, which emails that name ${name} get from now on.`
            : "It becomes the next version. Emails get it once it is published."}
        </p>
      }
      done={publish ? `A version of ${name} is published.` : `A version of ${name} is stored.`}
      act={act}
    />
  );
}

function Field({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    <label>
      {label}
      {children}
    </label>
  );
}

function Source({
  label,
  rows,
  value,
  set,
}: {
  label: string;
  rows: number;
  value: string;
  set: (value: string) => void;
}) {
  return (
    <Field label={label}>
      <textarea
        class="source"
        rows={rows}
        spellcheck={false}
        value={value}
        onInput={({ currentTarget }) => set(currentTarget.value)}
      />
    </Field>
  );
}
