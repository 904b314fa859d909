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

const tones: Record<Item["state"], Tone> = {
  CLOSED: "good",
  OPEN: "bad",
  HALF_OPEN: "warn",
  UNREACHABLE: "idle",
};
const words: Record<Item["state"], string> = {
  CLOSED: "Closed",
  OPEN: "Open",
  HALF_OPEN: "Half-open",
  UNREACHABLE: "Does not answer",
};

export function BreakersPage() {
  const breakers = useResource("listCircuitBreakers", undefined, 2_000);
  return (
    <>
      <p class="lead">
        One breaker for each thing that Luna depends on, shared by the whole fleet. Open: calls are
        refused at once, mails wait and lose no attempt. It probes by itself and closes when the
        thing is back.
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
      {"epoch" in item ? (
        <Details breaker={item} />
      ) : (
        <p>Its object did not answer in time. The others are not affected.</p>
      )}
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

type Order = {
  verb:
    | "resetCircuitBreaker"
    | "openCircuitBreaker"
    | "closeCircuitBreaker"
    | "disableCircuitBreaker"
    | "enableCircuitBreaker";
  label: string;
  tone?: "danger";
  explains: string;
  done: string;
};

const orders: Order[] = [
  {
    verb: "resetCircuitBreaker",
    label: "Reset",
    explains:
      "It closes, counts from nothing, and any override ends. If what it guards is still broken it opens again by itself.",
    done: "was reset",
  },
  {
    verb: "openCircuitBreaker",
    label: "Force open",
    tone: "danger",
    explains: "Every call is refused, in the whole fleet, until somebody resets or enables it.",
    done: "is held open",
  },
  {
    verb: "closeCircuitBreaker",
    label: "Force closed",
    tone: "danger",
    explains: "Every call goes through, however many fail. It counts on, but does not open.",
    done: "is held closed",
  },
];
const disable: Order = {
  verb: "disableCircuitBreaker",
  label: "Disable",
  tone: "danger",
  explains: "Every call goes through, and nothing is counted, as if there were no breaker.",
  done: "is disabled",
};
const enable: Order = {
  verb: "enableCircuitBreaker",
  label: "Lift override",
  explains: "It goes by what it counts again.",
  done: "goes by what it counts",
};

function Details({ breaker }: { breaker: Breaker }) {
  const { name, state, override, failures, calls, retryAfterMs, lastTransition: last } = breaker;
  const params = { name };
  const verbs = [...orders, override === "none" ? disable : enable];
  return (
    <>
      <p>
        {countText(failures, "failure")} in {countText(calls, "call")} of the window.
        {state === "OPEN" &&
          override === "none" &&
          retryAfterMs > 0 &&
          ` Probes again in ${spanText(retryAfterMs)}.`}
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
            {words[last.to]} since <Time at={last.at} />, by {last.actor}:{" "}
            {last.reason ?? last.cause}
          </>
        )}
      </p>
      <div class="buttons">
        {verbs.map(({ verb, label, tone, explains, done }) => (
          <Action
            key={verb}
            label={label}
            of={name}
            {...(tone !== undefined && { tone })}
            explains={<p>{explains}</p>}
            reason="required"
            done={`The breaker of ${name} ${done}.`}
            act={(reason) => call(verb, { params, body: { reason } })}
          />
        ))}
      </div>
    </>
  );
}

function History({ name }: { name: string }) {
  const history = useResource("circuitBreakerHistory", {
    params: { name },
    query: { limit: "20" },
  });
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
            {
              head: "Why",
              kind: "wide",
              cell: ({ cause, reason }) => (reason === undefined ? cause : `${cause}: ${reason}`),
            },
          ]}
        />
      )}
    </Loaded>
  );
}
