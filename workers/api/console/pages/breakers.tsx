import { useState } from "preact/hooks";
import type { BodyOf } from "../api.ts";
import { countText, spanText } from "../format.ts";
import { useResource } from "../resource.ts";
import { call } from "../session.ts";
import { Section, State, Time, type Tone } from "../ui/bits.tsx";
import { Action } from "../ui/confirm.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Table } from "../ui/table.tsx";

type Item = BodyOf<"listCircuitBreakers">["items"][number];
type Breaker = Extract<Item, { epoch: number }>;

const tones: Record<Item["state"], Tone> = { CLOSED: "good", OPEN: "bad", HALF_OPEN: "warn", UNREACHABLE: "idle" };
const words: Record<Item["state"], string> = { CLOSED: "Closed", OPEN: "Open", HALF_OPEN: "Half-open", UNREACHABLE: "Does not answer" };

export function BreakersPage() {
  const breakers = useResource("listCircuitBreakers", undefined, 2_000);
  return (
    <>
      <p class="lead">
        One breaker for each thing that Luna depends on, shared by the whole fleet. Open: calls are refused at once, mails wait and lose no
        attempt. It probes by itself and closes when the thing is back.
      </p>
      <Loaded reading={breakers} lines={8}>
        {({ items }) => (
          <ul class="cards">
            {items.map((item) => (
              <li key={item.name} class={`card ${tones[item.state]}`}>
                <Card item={item} />
              </li>
            ))}
          </ul>
        )}
      </Loaded>
    </>
  );
}

function Card({ item }: { item: Item }) {
  const [showsHistory, show] = useState(false);
  return (
    <Section title={item.name} aside={<State tone={tones[item.state]}>{words[item.state]}</State>}>
      {"epoch" in item ? <Details breaker={item} /> : <p>Its object did not answer in time. The others are not affected.</p>}
      <button
        type="button"
        class="quiet"
        aria-expanded={showsHistory}
        aria-label={`History of ${item.name}`}
        onClick={() => show(!showsHistory)}
      >
        {showsHistory ? "Hide history" : "History"}
      </button>
      {showsHistory && <History name={item.name} />}
    </Section>
  );
}

function Details({ breaker }: { breaker: Breaker }) {
  const { name, state, override, failures, calls, retryAfterMs, lastTransition: last } = breaker;
  const params = { name };
  return (
    <>
      <p>
        {countText(failures, "failure")} in {countText(calls, "call")} of the window.
        {state === "OPEN" && override === "none" && retryAfterMs > 0 && ` Probes again in ${spanText(retryAfterMs)}.`}
        {override !== "none" && (
          <>
            {" "}
            <State tone="warn">An operator holds it: {override}</State>
          </>
        )}
      </p>
      <p class="since">
        {last === undefined ? (
          "It has never changed."
        ) : (
          <>
            {words[last.to]} since <Time at={last.at} />, by {last.actor}: {last.reason ?? last.cause}
          </>
        )}
      </p>
      <div class="buttons">
        <Action
          label="Reset"
          of={name}
          explains={<p>It closes, counts from nothing, and any override ends. If {name} is still broken it opens again by itself.</p>}
          reason="required"
          done={`The breaker of ${name} was reset.`}
          act={(reason) => call("resetCircuitBreaker", { params, body: { reason } })}
        />
        <Action
          label="Force open"
          of={name}
          tone="danger"
          explains={<p>Every call to {name} is refused, in the whole fleet, until somebody resets or enables it.</p>}
          reason="required"
          done={`The breaker of ${name} is held open.`}
          act={(reason) => call("openCircuitBreaker", { params, body: { reason } })}
        />
        <Action
          label="Force closed"
          of={name}
          tone="danger"
          explains={<p>Every call goes through, however many fail. It counts on, but does not open.</p>}
          reason="required"
          done={`The breaker of ${name} is held closed.`}
          act={(reason) => call("closeCircuitBreaker", { params, body: { reason } })}
        />
        {override === "none" ? (
          <Action
            label="Disable"
            of={name}
            tone="danger"
            explains={<p>Every call goes through, and nothing is counted, as if there were no breaker.</p>}
            reason="required"
            done={`The breaker of ${name} is disabled.`}
            act={(reason) => call("disableCircuitBreaker", { params, body: { reason } })}
          />
        ) : (
          <Action
            label="Lift override"
            of={name}
            explains={<p>It goes by what it counts again.</p>}
            reason="required"
            done={`The breaker of ${name} goes by what it counts.`}
            act={(reason) => call("enableCircuitBreaker", { params, body: { reason } })}
          />
        )}
      </div>
    </>
  );
}

function History({ name }: { name: string }) {
  const history = useResource("circuitBreakerHistory", { params: { name }, query: { limit: "20" } });
  return (
    <Loaded reading={history}>
      {({ items }) => (
        <Table
          caption={`Transitions of ${name}, newest first`}
          rows={items}
          keyOf={({ id }) => id}
          empty="It has never changed."
          columns={[
            { head: "When", cell: ({ at }) => <Time at={at} /> },
            { head: "Change", cell: ({ from, to }) => `${words[from]} → ${words[to]}` },
            { head: "By", cell: ({ actor }) => actor },
            { head: "Why", kind: "wide", cell: ({ cause, reason }) => (reason === undefined ? cause : `${cause}: ${reason}`) },
          ]}
        />
      )}
    </Loaded>
  );
}
