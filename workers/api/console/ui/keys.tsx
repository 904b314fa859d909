import { useState } from "preact/hooks";
import type { CalledOperation, RequestOf } from "../api.ts";
import { useNow } from "../clock.ts";
import { keyIn, keyState, lackOf, noKey, type KeyOwner, type ShownKey } from "../key-state.ts";
import { useResource } from "../resource.ts";
import { call } from "../session.ts";
import { Section, State, Time } from "./bits.tsx";
import { Action } from "./confirm.tsx";
import { KeyFields } from "./key-fields.tsx";
import { Together } from "./loaded.tsx";
import { PagedList } from "./paged-list.tsx";
import { Readable } from "./readable.tsx";
import { Secret } from "./secret.tsx";
import { Table } from "./table.tsx";

type Owner = {
  kind: KeyOwner;
  /** Of the path of the owner's keys. */
  params?: Record<string, string>;
};
/** The operations of the kinds of owner differ in nothing except their path. */
type Params<Id extends CalledOperation> = NonNullable<RequestOf<Id>["params"]>;
/** Shown once, by the part of the page that has the list. */
type Show = (secret: string) => void;

/** The keys of a user, of a team or of operators, and a form for another. */
export function Keys(owner: Owner) {
  return (
    <Readable operation={`list${owner.kind}Keys`}>
      <KeyList {...owner} />
    </Readable>
  );
}

function KeyList({ kind, params = {} }: Owner) {
  const [cursor, setCursor] = useState<string | undefined>(undefined);
  const [secret, show] = useState<string | null>(null);
  const lists = `list${kind}Keys` as const;
  const list = useResource(lists, {
    params: params as Params<typeof lists>,
    query: { limit: "25", ...(cursor !== undefined && { cursor }) },
  });
  return (
    <Together readings={[list]}>
      {secret !== null && <Secret value={secret} onHide={() => show(null)} />}
      <PagedList reading={list} cursor={cursor} onMove={setCursor}>
        {({ items }) => (
          <Table
            caption="Keys, newest first"
            rows={items}
            keyOf={({ id }) => id}
            empty="There is no key."
            columns={[
              { head: "Key", kind: "wide", cell: (one) => <Name one={one} /> },
              { head: "May", kind: "wide", cell: (one) => <May one={one} /> },
              { head: "State", cell: (one) => <Valid one={one} /> },
              {
                head: "Last used",
                cell: ({ lastUsedAt }) =>
                  lastUsedAt === undefined ? "never" : <Time at={lastUsedAt} />,
              },
              { head: "Since", cell: ({ createdAt }) => <Time at={createdAt} /> },
              {
                head: "Change",
                kind: "actions",
                cell: (one) => <Changes one={one} owner={{ kind, params }} show={show} />,
              },
            ]}
          />
        )}
      </PagedList>
      <Add kind={kind} params={params} show={show} />
    </Together>
  );
}

function Name({ one: { name, prefix } }: { one: ShownKey }) {
  return (
    <>
      {name}
      <br />
      <code>{prefix}…</code>
    </>
  );
}

function May({ one: { role, scopes } }: { one: ShownKey }) {
  if (role !== undefined) return <>role {role}</>;
  const text = scopes.join(", ");
  return scopes.length < 4 ? (
    <>{text}</>
  ) : (
    <details>
      <summary>{scopes.length} scopes</summary>
      {text}
    </details>
  );
}

function Valid({ one }: { one: ShownKey }) {
  const { tone, text } = keyState(one, useNow());
  const { expiresAt, previousUntil } = one;
  return (
    <>
      <State tone={tone}>{text}</State>
      {expiresAt !== undefined && (
        <>
          <br />
          {tone === "bad" ? "since" : "expires"} <Time at={expiresAt} />
        </>
      )}
      {previousUntil !== undefined && (
        <>
          <br />
          the former one works until <Time at={previousUntil} />
        </>
      )}
    </>
  );
}

function Changes({
  one: { id, name },
  owner: { kind, params },
  show,
}: {
  one: ShownKey;
  owner: Owner;
  show: Show;
}) {
  const ofKey = { ...params, keyId: id };
  const [rotates, revokes] = [`rotate${kind}Key`, `revoke${kind}Key`] as const;
  const rotate = async () => {
    const outcome = await call(rotates, { params: ofKey as Params<typeof rotates>, body: {} });
    if (outcome.ok) show(outcome.body.apiKey);
    return outcome;
  };
  return (
    <div class="buttons">
      <Action
        label="Rotate"
        of={name}
        operation={rotates}
        explains={<p>The new key is shown once. The former one works for another 24 hours.</p>}
        done={`${name} is rotated.`}
        act={rotate}
      />
      <Action
        label="Revoke"
        of={name}
        operation={revokes}
        tone="danger"
        explains={<p>Requests with it are refused from now on. This cannot be undone.</p>}
        done={`${name} is revoked.`}
        act={() => call(revokes, { params: ofKey as Params<typeof revokes> })}
      />
    </div>
  );
}

function Add({ kind, params, show }: Owner & { show: Show }) {
  const [form, setForm] = useState(noKey);
  const given = form.name.trim();
  const creates = `create${kind}Key` as const;
  const create = async () => {
    const request = { params: params as Params<typeof creates>, body: keyIn(form) };
    const outcome = await call(creates, request as RequestOf<typeof creates>);
    if (outcome.ok && "apiKey" in outcome.body) show(outcome.body.apiKey);
    return outcome;
  };
  return (
    <Section title="Create a key">
      <KeyFields kind={kind} form={form} onChange={setForm} />
      <div class="buttons">
        <Action
          label="Create"
          of={given}
          operation={creates}
          lacks={lackOf(form)}
          explains={<p>It is shown once.</p>}
          done={`${given} is a key.`}
          act={create}
          after={() => setForm(noKey)}
        />
      </div>
    </Section>
  );
}
