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
        One breaker per dependency, shared by the whole fleet. While it is open, calls are rejected
        at once, and emails wait without using an attempt. It probes by itself and closes once the
        dependency works again.
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
        <p>Its object did not answer in time. Other breakers are not affected.</p>
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

type Command = {
  operation:
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

const commands: Command[] = [
  {
    operation: "resetCircuitBreaker",
    label: "Reset",
    explains:
      "It closes and counts from zero; any override ends. If the dependency still fails, it opens.",
    done: "was reset",
  },
  {
    operation: "openCircuitBreaker",
    label: "Force open",
    tone: "danger",
    explains: "Every call is rejected, in the whole fleet, until an operator resets or enables it.",
    done: "is forced open",
  },
  {
    operation: "closeCircuitBreaker",
    label: "Force closed",
    tone: "danger",
    explains: "Every call goes through. It still counts failures, but does not open.",
    done: "is forced closed",
  },
];
const disable: Command = {
  operation: "disableCircuitBreaker",
  label: "Disable",
  tone: "danger",
  explains: "Every call goes through, and nothing is counted, as if there were no breaker.",
  done: "is disabled",
};
const enable: Command = {
  operation: "enableCircuitBreaker",
  label: "Lift override",
  explains: "The breaker follows its counts again.",
  done: "follows its counts again",
};

function Details({ breaker }: { breaker: Breaker }) {
  const { name, state, override, failures, calls, retryAfterMs, lastTransition: last } = breaker;
  const params = { name };
  const shown = [...commands, override === "none" ? disable : enable];
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
            <State tone="warn">Override: {override}</State>
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
        {shown.map(({ operation, label, tone, explains, done }) => (
          <Action
            key={operation}
            label={label}
            of={name}
            {...(tone !== undefined && { tone })}
            explains={<p>{explains}</p>}
            reason="required"
            done={`The breaker of ${name} ${done}.`}
            act={(reason) => call(operation, { params, body: { reason } })}
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
