import { useState } from "preact/hooks";
import { durationText } from "../format.ts";
import { useResource } from "../resource.ts";
import { linkTo } from "../router.ts";
import { call } from "../session.ts";
import { Empty, Facts, Raw, Section, State, Time } from "../ui/bits.tsx";
import { Action } from "../ui/confirm.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { PagedList } from "../ui/paged-list.tsx";
import { ReplayDead } from "../ui/replay-dead.tsx";
import { Secret } from "../ui/secret.tsx";
import { timeFact } from "../ui/time-fact.tsx";
import {
  attemptText,
  deliveryState,
  nextAttemptAt,
  type ShownDelivery,
  type ShownEndpoint,
} from "../webhook-state.ts";
import { ShownHealth } from "./webhooks.tsx";

export function WebhookPage({ id }: { id: string }) {
  const endpoint = useResource("getWebhookEndpoint", { params: { endpointId: id } });
  if (endpoint.failure?.status === 404) {
    return (
      <p>
        There is no endpoint <code>{id}</code>. Go to <a href={linkTo("webhooks")}>the endpoints</a>
        .
      </p>
    );
  }
  return (
    <Loaded reading={endpoint} lines={8}>
      {(body) => (
        <>
          <Details endpoint={body} />
          <Deliveries id={id} notBefore={body.health.notBefore} />
        </>
      )}
    </Loaded>
  );
}

function Details({ endpoint }: { endpoint: ShownEndpoint }) {
  const { url, tenant, events, description, health, previousSecretUntil } = endpoint;
  return (
    <>
      <p class="lead">{url}</p>
      {description !== undefined && <p>{description}</p>}
      <Facts
        facts={[
          ["Health", <ShownHealth endpoint={endpoint} />],
          ["Tenant", tenant],
          ["Events", events.join(", ")],
          ["Created", <Time at={endpoint.createdAt} />],
          ...timeFact("Paused", endpoint.paused?.at),
          ...timeFact("Next call from", health.notBefore),
          ...timeFact("Former secret signs until", previousSecretUntil),
        ]}
      />
      <Actions endpoint={endpoint} />
    </>
  );
}

function Actions({ endpoint: { id, url, paused } }: { endpoint: ShownEndpoint }) {
  const [secret, setSecret] = useState<string | null>(null);
  const params = { endpointId: id };
  const rotate = async () => {
    const outcome = await call("rotateWebhookSecret", { params });
    if (outcome.ok) setSecret(outcome.body.secret);
    return outcome;
  };
  return (
    <>
      <div class="buttons">
        {paused === undefined ? (
          <Action
            label="Pause"
            operation="pauseWebhookEndpoint"
            explains={<p>It gets no calls. Its events wait for up to 30 days.</p>}
            done={`${url} is paused.`}
            act={() => call("pauseWebhookEndpoint", { params })}
          />
        ) : (
          <Action
            label="Resume"
            operation="resumeWebhookEndpoint"
            explains={<p>Events that wait are delivered from now on.</p>}
            done={`${url} is resumed.`}
            act={() => call("resumeWebhookEndpoint", { params })}
          />
        )}
        <Action
          label="Send a test event"
          operation="testWebhookEndpoint"
          explains={
            <p>
              It gets the event <code>webhook.test</code>, even if it does not subscribe to it.
            </p>
          }
          done="The test event is on its way."
          act={() => call("testWebhookEndpoint", { params })}
        />
        <Action
          label="Replace the secret"
          operation="rotateWebhookSecret"
          explains={<p>The new one is shown once. For 24 hours the former one signs calls, too.</p>}
          done="The secret is replaced."
          act={rotate}
        />
        <Action
          label="Delete"
          operation="deleteWebhookEndpoint"
          tone="danger"
          explains={
            <p>Events that it has not received are not delivered. This cannot be undone.</p>
          }
          done={`${url} is deleted.`}
          act={() => call("deleteWebhookEndpoint", { params })}
          after={() => (location.hash = linkTo("webhooks"))}
        />
      </div>
      {secret !== null && <Secret value={secret} onHide={() => setSecret(null)} />}
    </>
  );
}

function Deliveries({ id, notBefore }: { id: string; notBefore: string | undefined }) {
  const [onlyDead, setOnlyDead] = useState(false);
  const [cursor, setCursor] = useState<string | undefined>(undefined);
  const list = useResource("listWebhookDeliveries", {
    params: { endpointId: id },
    query: {
      limit: "25",
      ...(onlyDead && { status: "dead" as const }),
      ...(cursor !== undefined && { cursor }),
    },
  });
  const show = (dead: boolean): void => {
    setCursor(undefined);
    setOnlyDead(dead);
  };
  return (
    <Section title={onlyDead ? "Dead deliveries" : "Deliveries"}>
      <div class="buttons">
        <button type="button" aria-pressed={!onlyDead} onClick={() => show(false)}>
          All
        </button>
        <button type="button" aria-pressed={onlyDead} onClick={() => show(true)}>
          Dead deliveries
        </button>
      </div>
      {onlyDead && <ReplayDead id={id} />}
      <PagedList reading={list} cursor={cursor} onMove={setCursor}>
        {({ items }) => (
          <>
            {items.length === 0 && (
              <Empty>{onlyDead ? "No delivery is dead." : "There is no delivery yet."}</Empty>
            )}
            <ul class="executions">
              {items.map((delivery) => (
                <li key={delivery.id}>
                  <OneDelivery endpointId={id} delivery={delivery} notBefore={notBefore} />
                </li>
              ))}
            </ul>
          </>
        )}
      </PagedList>
    </Section>
  );
}

type DeliveryProps = {
  endpointId: string;
  delivery: ShownDelivery;
  notBefore: string | undefined;
};

function OneDelivery({ endpointId, delivery, notBefore }: DeliveryProps) {
  const { id, type, createdAt, log, generation, status } = delivery;
  const nextAt = nextAttemptAt(delivery, notBefore);
  const { tone, text } = deliveryState(delivery);
  const hasEnded = status === "dead" || status === "delivered";
  return (
    <details open={tone === "bad" || tone === "warn"}>
      <summary>
        <State tone={tone}>{text}</State> <strong>{type}</strong> <Time at={createdAt} />
        {nextAt !== undefined && (
          <>
            , next attempt <Time at={nextAt} />
          </>
        )}
        {generation > 1 && `, replayed`}
      </summary>
      <ul class="runs">
        {log.map((attempt) => (
          <li key={attempt.at}>
            <State tone={attempt.outcome === "delivered" ? "good" : "bad"}>
              {attemptText(attempt)}
            </State>{" "}
            <Time at={attempt.at} />, {durationText(attempt.tookMs)}
            {attempt.answer !== undefined && <Raw value={attempt.answer} />}
          </li>
        ))}
      </ul>
      <p>
        <code>{delivery.eventId}</code>
      </p>
      {hasEnded && (
        <Action
          label="Replay"
          operation="replayWebhookDelivery"
          of={type}
          explains={<p>It is delivered again, with all its attempts and the same webhook-id.</p>}
          done={`${type} is due again.`}
          act={() => call("replayWebhookDelivery", { params: { endpointId, deliveryId: id } })}
        />
      )}
    </details>
  );
}
