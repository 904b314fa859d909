import { useState } from "preact/hooks";
import { useResource } from "../resource.ts";
import { call } from "../session.ts";
import { Section, Time } from "../ui/bits.tsx";
import { Action } from "../ui/confirm.tsx";
import { Together } from "../ui/loaded.tsx";
import { PagedList } from "../ui/paged-list.tsx";
import { Table } from "../ui/table.tsx";

export function SuppressionsPage() {
  const [cursor, setCursor] = useState<string | undefined>(undefined);
  const list = useResource("listSuppressions", {
    query: { limit: "25", ...(cursor !== undefined && { cursor }) },
  });
  return (
    <Together readings={[list]}>
      <p class="lead">
        Addresses that get no emails: an email bounced, its recipient complained or unsubscribed, or
        an operator suppressed the address.
      </p>
      <PagedList reading={list} cursor={cursor} onMove={setCursor}>
        {({ items }) => (
          <Table
            caption="Suppressed addresses, oldest first"
            rows={items}
            keyOf={({ address, scope }) => `${address} ${scope}`}
            empty="No address is suppressed."
            columns={[
              { head: "Address", kind: "wide", cell: ({ address }) => address },
              {
                head: "Gets",
                cell: ({ scope }) => (scope === "all" ? "nothing" : "only transactional emails"),
              },
              {
                head: "Why",
                cell: ({ reason, note }) => (note === undefined ? reason : `${reason}: ${note}`),
              },
              { head: "Since", cell: ({ createdAt }) => <Time at={createdAt} /> },
              {
                head: "Lift",
                kind: "actions",
                cell: ({ address }) => (
                  <Action
                    label="Lift"
                    of={address}
                    explains={
                      <p>
                        Emails to it are sent again. If they bounce again, that costs reputation.
                      </p>
                    }
                    done={`${address} gets emails again.`}
                    operation="unsuppress"
                    act={() => call("unsuppress", { params: { address } })}
                  />
                ),
              },
            ]}
          />
        )}
      </PagedList>
      <Add />
    </Together>
  );
}

function Add() {
  const [address, setAddress] = useState("");
  const [scope, setScope] = useState<"all" | "non-transactional">("all");
  return (
    <Section title="Suppress an address">
      <div class="form">
        <label>
          Address
          <input
            type="email"
            value={address}
            autocomplete="off"
            onInput={({ currentTarget }) => setAddress(currentTarget.value)}
          />
        </label>
        <label>
          It gets
          <select
            value={scope}
            onChange={({ currentTarget }) => setScope(currentTarget.value as typeof scope)}
          >
            <option value="all">nothing</option>
            <option value="non-transactional">only transactional emails</option>
          </select>
        </label>
        <Action
          label="Suppress"
          of={address.trim()}
          lacks={address.trim() === "" ? "Enter an address." : undefined}
          tone="danger"
          explains={<p>Queued emails to it are not sent either.</p>}
          reason="required"
          done={`${address.trim()} is suppressed.`}
          operation="suppress"
          act={(note) => call("suppress", { body: { address: address.trim(), scope, note } })}
        />
      </div>
    </Section>
  );
}
