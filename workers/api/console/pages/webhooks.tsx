import { useState } from "preact/hooks";
import { useResource } from "../resource.ts";
import { linkTo } from "../router.ts";
import { call } from "../session.ts";
import { Section, State, Time } from "../ui/bits.tsx";
import { Action } from "../ui/confirm.tsx";
import { Field } from "../ui/find.tsx";
import { Together } from "../ui/loaded.tsx";
import { PagedList } from "../ui/paged-list.tsx";
import { Secret } from "../ui/secret.tsx";
import { Table } from "../ui/table.tsx";
import { endpointState, patternsIn, type ShownEndpoint } from "../webhook-state.ts";

export function WebhooksPage() {
  const [cursor, setCursor] = useState<string | undefined>(undefined);
  const list = useResource("listWebhookEndpoints", {
    query: { limit: "25", ...(cursor !== undefined && { cursor }) },
  });
  return (
    <Together readings={[list]}>
      <p class="lead">
        URLs that get events as signed calls. An endpoint gets the events of its tenant; one of{" "}
        <code>admin</code> gets those of every tenant.
      </p>
      <PagedList reading={list} cursor={cursor} onMove={setCursor}>
        {({ items }) => (
          <Table
            caption="Webhook endpoints, newest first"
            rows={items}
            keyOf={({ id }) => id}
            empty="There is no endpoint, so no event is written."
            columns={[
              { head: "Endpoint", kind: "wide", cell: (endpoint) => <Link endpoint={endpoint} /> },
              { head: "Tenant", cell: ({ tenant }) => tenant },
              { head: "Events", cell: ({ events }) => events.join(", ") },
              { head: "Health", cell: (endpoint) => <ShownHealth endpoint={endpoint} /> },
              { head: "Since", cell: ({ createdAt }) => <Time at={createdAt} /> },
            ]}
          />
        )}
      </PagedList>
      <Add />
    </Together>
  );
}

function Link({ endpoint: { id, url, description } }: { endpoint: ShownEndpoint }) {
  return (
    <>
      <a href={linkTo("webhooks", id)}>{url}</a>
      {description !== undefined && (
        <>
          <br />
          <small>{description}</small>
        </>
      )}
    </>
  );
}

export function ShownHealth({ endpoint }: { endpoint: ShownEndpoint }) {
  const { tone, text } = endpointState(endpoint);
  const { failingSince } = endpoint.health;
  return (
    <>
      <State tone={tone}>{text}</State>
      {endpoint.paused === undefined && failingSince !== undefined && (
        <>
          {" "}
          since <Time at={failingSince} />
        </>
      )}
    </>
  );
}

function Add() {
  const [url, setUrl] = useState("");
  const [events, setEvents] = useState("*");
  const [secret, setSecret] = useState<string | null>(null);
  const given = url.trim();
  const create = async () => {
    const body = { url: given, events: patternsIn(events) };
    const outcome = await call("createWebhookEndpoint", { body });
    if (outcome.ok && "secret" in outcome.body) setSecret(outcome.body.secret);
    return outcome;
  };
  return (
    <Section title="Add an endpoint of the operator">
      <div class="form">
        <Field label="URL" value={url} onInput={setUrl} />
        <Field label="Events, such as email.* team.created" value={events} onInput={setEvents} />
        <Action
          label="Add"
          operation="createWebhookEndpoint"
          of={given}
          lacks={given === "" ? "Enter a URL." : undefined}
          explains={<p>It gets the events of every tenant. Its secret is shown once.</p>}
          done={`${given} is an endpoint.`}
          act={create}
        />
      </div>
      {secret !== null && <Secret value={secret} onHide={() => setSecret(null)} />}
    </Section>
  );
}
