import { useState } from "preact/hooks";
import type { AnswerBody } from "../api.ts";
import { useResource } from "../resource.ts";
import { call } from "../session.ts";
import { Section, State, Time } from "../ui/bits.tsx";
import { Action } from "../ui/confirm.tsx";
import { Field } from "../ui/find.tsx";
import { Together } from "../ui/loaded.tsx";
import { PagedList } from "../ui/paged-list.tsx";
import { Table } from "../ui/table.tsx";

type Sender = AnswerBody<"listSenders">["items"][number];

const identityOf = ({ address, domain }: Sender): string => address ?? `*@${domain ?? ""}`;

export function SendersPage() {
  const [cursor, setCursor] = useState<string | undefined>(undefined);
  const list = useResource("listSenders", {
    query: { limit: "25", ...(cursor !== undefined && { cursor }) },
  });
  return (
    <Together readings={[list]}>
      <p class="lead">
        Addresses and domains that emails may name in <code>from</code>, besides{" "}
        <code>EMAIL_FROM</code>.
      </p>
      <PagedList reading={list} cursor={cursor} onMove={setCursor}>
        {({ items }) => (
          <Table
            caption="Senders, newest first"
            rows={items}
            keyOf={({ id }) => id}
            empty="There is no sender: every email comes from EMAIL_FROM."
            columns={[
              { head: "Sender", kind: "wide", cell: identityOf },
              { head: "Name", cell: ({ name }) => name ?? "–" },
              { head: "For", cell: ({ tenant }) => tenant ?? "each tenant" },
              {
                head: "Transports",
                cell: ({ transport }) => transport?.join(", ") ?? "as configured",
              },
              { head: "State", cell: (sender) => <Verified sender={sender} /> },
              { head: "Since", cell: ({ createdAt }) => <Time at={createdAt} /> },
              { head: "Delete", kind: "actions", cell: (sender) => <Delete sender={sender} /> },
            ]}
          />
        )}
      </PagedList>
      <Add />
    </Together>
  );
}

const verifiedBy = {
  operator: "trusted by an operator",
  link: "verified by its link",
  dns: "verified by DNS",
};

function Verified({ sender: { verified } }: { sender: Sender }) {
  return verified === undefined ? (
    <State tone="warn">pending</State>
  ) : (
    <State tone="good">{verifiedBy[verified.by]}</State>
  );
}

function Delete({ sender }: { sender: Sender }) {
  const identity = identityOf(sender);
  return (
    <Action
      label="Delete"
      of={identity}
      tone="danger"
      explains={
        <p>No further email may name it. Emails that were accepted with it are still sent.</p>
      }
      done={`${identity} is no sender any more.`}
      operation="deleteSender"
      act={() => call("deleteSender", { params: { senderId: sender.id } })}
    />
  );
}

function Add() {
  const [identity, setIdentity] = useState("");
  const [name, setName] = useState("");
  const [tenant, setTenant] = useState("");
  const given = identity.trim();
  const body = {
    ...(given.includes("@") ? { address: given } : { domain: given }),
    ...(name.trim() !== "" && { name: name.trim() }),
    ...(tenant.trim() !== "" && { tenant: tenant.trim() }),
  };
  return (
    <Section title="Add a sender">
      <div class="form">
        <Field label="Address or domain" value={identity} onInput={setIdentity} />
        <Field label="Name (optional)" value={name} onInput={setName} />
        <Field label="Tenant (optional), such as user:ada" value={tenant} onInput={setTenant} />
        <Action
          label="Add"
          of={given}
          lacks={given === "" ? "Enter an address or a domain." : undefined}
          explains={
            <p>
              It needs no verification. The transports must be allowed to send for its domain (SPF
              or DKIM), or receivers refuse its emails.
            </p>
          }
          done={`${given} is a sender.`}
          operation="createSender"
          act={() => call("createSender", { body })}
        />
      </div>
    </Section>
  );
}
