import { useState } from "preact/hooks";
import { useResource } from "../resource.ts";
import { call } from "../session.ts";
import { Section, Time } from "../ui/bits.tsx";
import { Action } from "../ui/confirm.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Table } from "../ui/table.tsx";

const scopeText = (scope: string): string =>
  scope === "all" ? "all emails" : scope.replace(/^(tenant|sender):/, "$1 ");

/** What operators have paused. */
export function Pauses() {
  const list = useResource("listPauses");
  return (
    <Section title="Pauses">
      <Loaded reading={list} lines={2}>
        {({ items }) => (
          <Table
            caption="Pauses"
            rows={items}
            keyOf={({ scope }) => scope}
            empty="Nothing is paused."
            columns={[
              { head: "Paused", kind: "wide", cell: ({ scope }) => scopeText(scope) },
              { head: "Why", cell: ({ reason }) => reason },
              { head: "Since", cell: ({ createdAt }) => <Time at={createdAt} /> },
              {
                head: "Resume",
                kind: "actions",
                cell: ({ scope }) => (
                  <Action
                    label="Resume"
                    of={scopeText(scope)}
                    explains={
                      <p>The first 1,000 emails leave at once, the others within half an hour.</p>
                    }
                    done="The pause has ended."
                    operation="resumeEmails"
                    act={() => call("resumeEmails", { params: { scope } })}
                  />
                ),
              },
            ]}
          />
        )}
      </Loaded>
      <Pause />
    </Section>
  );
}

type Kind = "all" | "tenant" | "sender";

function Pause() {
  const [kind, setKind] = useState<Kind>("all");
  const [name, setName] = useState("");
  const scope = kind === "all" ? "all" : `${kind}:${name.trim()}`;
  const lacks = kind !== "all" && name.trim() === "" ? `Enter a ${kind}.` : undefined;
  return (
    <div class="form">
      <label>
        Pause
        <select value={kind} onChange={({ currentTarget }) => setKind(currentTarget.value as Kind)}>
          <option value="all">all emails</option>
          <option value="tenant">emails of a tenant</option>
          <option value="sender">emails from a sender</option>
        </select>
      </label>
      {kind !== "all" && (
        <label>
          {kind === "tenant" ? "Tenant" : "Sender"}
          <input
            value={name}
            autocomplete="off"
            onInput={({ currentTarget }) => setName(currentTarget.value)}
          />
        </label>
      )}
      <Action
        label="Pause"
        of={scopeText(scope)}
        lacks={lacks}
        tone="danger"
        explains={<p>They are accepted, and wait until you resume them.</p>}
        reason="required"
        done={`Paused: ${scopeText(scope)}.`}
        operation="pauseEmails"
        act={(reason) => call("pauseEmails", { body: { scope, reason } })}
      />
    </div>
  );
}
