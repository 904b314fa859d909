import { useState } from "preact/hooks";
import type { AnswerBody } from "../api.ts";
import { chosen, scopeChoices, type SuppressionFilter } from "../filters.ts";
import { useResource } from "../resource.ts";
import { linkTo } from "../router.ts";
import { call } from "../session.ts";
import { Section, Time } from "../ui/bits.tsx";
import { Action } from "../ui/confirm.tsx";
import { Choice, Field } from "../ui/find.tsx";
import { Together } from "../ui/loaded.tsx";
import { PagedList } from "../ui/paged-list.tsx";
import { Table } from "../ui/table.tsx";
import { LiftMany, SuppressionFiles } from "./suppression-lists.tsx";

type Suppression = AnswerBody<"listSuppressions">["items"][number];
type Scope = (typeof scopeChoices)[number];
type Show = (changes: {
  [Name in keyof SuppressionFilter | "cursor"]?: string | undefined;
}) => void;

const gets: Record<Scope, string> = {
  all: "nothing",
  "non-transactional": "only transactional emails",
  notification: "no notifications",
  marketing: "no marketing",
};

export function SuppressionsPage({ query }: { query: URLSearchParams }) {
  const cursor = query.get("cursor") ?? undefined;
  const [address, tenant] = [query.get("address"), query.get("tenant")];
  const scope = chosen(query, "scope", scopeChoices);
  const filter: SuppressionFilter = {
    ...(address !== null && { address }),
    ...(tenant !== null && { tenant }),
    ...(scope !== undefined && { scope }),
  };
  const list = useResource("listSuppressions", {
    query: { limit: "25", ...filter, ...(cursor !== undefined && { cursor }) },
  });
  const show: Show = (changes) => {
    location.hash = linkTo("suppressions", null, { ...filter, ...changes });
  };
  return (
    <Together readings={[list]}>
      <p class="lead">
        Addresses that get no emails, or none from one tenant or category. An email to them bounced,
        the recipient complained or unsubscribed, or an operator suppressed them.
      </p>
      <Section title="Find">
        <Search filter={filter} show={show} />
        <PagedList reading={list} cursor={cursor} onMove={(next) => show({ cursor: next })}>
          {({ items }) => (
            <Suppressions items={items} isFiltered={Object.keys(filter).length > 0} />
          )}
        </PagedList>
      </Section>
      <Add />
      <SuppressionFiles filter={filter} />
      <LiftMany key={JSON.stringify(filter)} filter={filter} />
    </Together>
  );
}

function Search({ filter, show }: { filter: SuppressionFilter; show: Show }) {
  const [address, setAddress] = useState(filter.address ?? "");
  const [tenant, setTenant] = useState(filter.tenant ?? "");
  return (
    <form
      class="form"
      role="search"
      onSubmit={(event) => (
        event.preventDefault(),
        show({ address: address.trim(), tenant: tenant.trim() })
      )}
    >
      <Field type="search" label="Suppressed address" value={address} onInput={setAddress} />
      <Field type="search" label="Tenant" value={tenant} onInput={setTenant} />
      <Choice
        label="Scope"
        value={filter.scope}
        values={scopeChoices}
        onChoose={(scope) => show({ scope })}
      />
      <button type="submit">Find</button>
    </form>
  );
}

function Suppressions({ items, isFiltered }: { items: Suppression[]; isFiltered: boolean }) {
  return (
    <Table
      caption="Suppressed addresses, oldest first"
      rows={items}
      keyOf={({ address, tenant = "", scope }) => `${address} ${tenant} ${scope}`}
      empty={isFiltered ? "No suppression matches." : "No address is suppressed."}
      columns={[
        { head: "Address", kind: "wide", cell: ({ address }) => address },
        { head: "Gets", cell: ({ scope }) => gets[scope] },
        { head: "From", cell: ({ tenant }) => tenant ?? "each tenant" },
        {
          head: "Why",
          cell: ({ reason, note }) => (note === undefined ? reason : `${reason}: ${note}`),
        },
        { head: "Since", cell: ({ createdAt }) => <Time at={createdAt} /> },
        { head: "Lift", kind: "actions", cell: (one) => <Lift one={one} /> },
      ]}
    />
  );
}

function Lift({ one: { address, tenant = "", scope } }: { one: Suppression }) {
  return (
    <Action
      label="Lift"
      operation="unsuppress"
      of={address}
      explains={
        <p>
          {tenant === "" ? "Emails to it" : `Emails of ${tenant} to it`} are sent again, unless
          another suppression stops them. Emails that bounce again cost reputation.
        </p>
      }
      done={`The suppression of ${address} is lifted.`}
      act={() => call("unsuppress", { params: { address }, query: { tenant, scope } })}
    />
  );
}

function Add() {
  const [address, setAddress] = useState("");
  const [tenant, setTenant] = useState("");
  const [scope, setScope] = useState<Scope>("all");
  const given = { address: address.trim(), scope };
  const body = { ...given, ...(tenant.trim() !== "" && { tenant: tenant.trim() }) };
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
            onChange={({ currentTarget }) => setScope(currentTarget.value as Scope)}
          >
            {scopeChoices.map((one) => (
              <option key={one} value={one}>
                {gets[one]}
              </option>
            ))}
          </select>
        </label>
        <label>
          From one tenant (optional), such as user:ada
          <input
            type="text"
            value={tenant}
            autocomplete="off"
            spellcheck={false}
            onInput={({ currentTarget }) => setTenant(currentTarget.value)}
          />
        </label>
        <Action
          label="Suppress"
          of={given.address}
          lacks={given.address === "" ? "Enter an address." : undefined}
          tone="danger"
          explains={<p>Queued emails to it are not sent either.</p>}
          reason="required"
          done={`${given.address} is suppressed.`}
          operation="suppress"
          act={(note) => call("suppress", { body: { ...body, note } })}
        />
      </div>
    </Section>
  );
}
