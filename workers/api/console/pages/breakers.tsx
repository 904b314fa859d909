import { useState } from "preact/hooks";
import {
  callsText,
  causeText,
  isAnnounced,
  nextText,
  shownState,
  stateWords,
  worstFirst,
  type AnnouncedItem,
  type ReachableBreaker,
  type BreakerItem,
} from "../breaker-state.ts";
import { useResource } from "../resource.ts";
import { call } from "../session.ts";
import { Section, State, Time } from "../ui/bits.tsx";
import { Action } from "../ui/confirm.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Table } from "../ui/table.tsx";

export function BreakersPage() {
  const breakers = useResource("listCircuitBreakers", undefined, 2_000);
  return (
    <>
      <p class="lead">
        One breaker per dependency, shared by the whole fleet: those of Luna, and those of other
        Workers that use its objects. While it is open, calls are rejected at once, and emails wait
        without using an attempt. It probes by itself and closes once the dependency works again.
      </p>
      <Loaded reading={breakers} lines={8}>
        {({ items }) => (
          <ul class="cards">
            {worstFirst(items).map((item) => (
              <li key={item.name} class={`card ${shownState(item).tone}`}>
                <Card item={item} />
              </li>
            ))}
          </ul>
        )}
      </Loaded>
    </>
  );
}

function Card({ item }: { item: BreakerItem }) {
  const [showsHistory, show] = useState(false);
  const { tone, word } = shownState(item);
  return (
    <Section title={item.name} aside={<State tone={tone}>{word}</State>}>
      {isAnnounced(item) ? (
        <Origin breaker={item} />
      ) : (
        !item.used && <p class="since">This Luna is not set up to use it.</p>
      )}
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
      {showsHistory && isAnnounced(item) && <Live name={item.name} />}
      {showsHistory && <History name={item.name} />}
    </Section>
  );
}

/** Luna does not call it: it has what the breaker announced. */
function Origin({ breaker: { used, reportedAt } }: { breaker: AnnouncedItem }) {
  const by = used ? "Used by another Worker" : "No Worker has used it for two days";
  return (
    <p class="since">
      {by}. It announced itself <Time at={reportedAt} />.
    </p>
  );
}

/** What only its object has. */
function Live({ name }: { name: string }) {
  const live = useResource("getCircuitBreaker", { params: { name } }, 2_000);
  return (
    <Loaded reading={live}>
      {(breaker) => <p>{callsText(breaker) ?? nextText(breaker) ?? "It counts nothing."}</p>}
    </Loaded>
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

function Details({ breaker }: { breaker: ReachableBreaker }) {
  const { name, override } = breaker;
  const params = { name };
  const shown = [...commands, override === "none" ? disable : enable];
  return (
    <>
      <Standing breaker={breaker} />
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
            operation={operation}
            act={(reason) => call(operation, { params, body: { reason } })}
          />
        ))}
      </div>
    </>
  );
}

/** Since when it is as it is, why, and what comes next. */
function Standing({ breaker }: { breaker: ReachableBreaker }) {
  const { state, override, outage, lastTransition: last } = breaker;
  const calls = "calls" in breaker ? callsText(breaker) : null;
  return (
    <>
      {state !== "CLOSED" && (
        <p>
          {outage !== undefined && (
            <>
              Not closed since <Time at={outage.since} />.{" "}
            </>
          )}
          {causeText(outage?.reason)} {nextText(breaker)}
        </p>
      )}
      {calls !== null && <p>{calls}</p>}
      {override !== "none" && (
        <p>
          <State tone="warn">Override: {override}</State>
        </p>
      )}
      {/* The transition with which the outage began is stated above. */}
      {(last === undefined || last.at !== outage?.since) && (
        <p class="since">
          {last === undefined ? (
            "It has never changed."
          ) : (
            <>
              {stateWords[last.to]} since <Time at={last.at} />, by {last.actor}:{" "}
              {last.reason ?? last.cause}
            </>
          )}
        </p>
      )}
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
            { head: "Change", cell: ({ from, to }) => `${stateWords[from]} → ${stateWords[to]}` },
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
