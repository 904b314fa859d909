import type { AnswerBody, Health } from "../api.ts";
import { breakerIssues } from "../breaker-issues.ts";
import { Chart, countLine } from "../charts/chart.tsx";
import { useNow } from "../clock.ts";
import { feedbackText } from "../feedback-text.ts";
import { checkText, spanText, waitingText } from "../format.ts";
import { useHealth } from "../health.ts";
import { paceTone, rateText } from "../pace.ts";
import { useResource } from "../resource.ts";
import { linkTo } from "../router.ts";
import { perStep } from "../series.ts";
import { call } from "../session.ts";
import { useTelemetry } from "../telemetry.ts";
import { Facts, Section, State, Time } from "../ui/bits.tsx";
import { Action } from "../ui/confirm.tsx";
import { Issues } from "../ui/issues.tsx";
import { Loaded, Together } from "../ui/loaded.tsx";
import { RangeChoice, rangeOf } from "../ui/range.tsx";
import { Table } from "../ui/table.tsx";
import { CountsByDay } from "./email-counts.tsx";
import { FindEmails } from "./email-search.tsx";
import { Pauses } from "./pauses.tsx";

export function EmailsPage({ query }: { query: URLSearchParams }) {
  const health = useHealth();
  const breakers = useResource("listCircuitBreakers");
  const transports = useResource("listEmailTransports");
  const telemetry = useTelemetry(rangeOf(query));
  return (
    <Together readings={[health, breakers, transports, telemetry]}>
      <Section title="Now">
        <Transports health={health.body} breakers={breakers.body} />
        <Loaded reading={health} lines={3}>
          {({ checks }) =>
            "email" in checks ? (
              <Backlog email={checks.email} />
            ) : (
              <p>Not known: the database does not answer.</p>
            )
          }
        </Loaded>
      </Section>
      <Section title="Transports">
        <Loaded reading={transports} lines={2}>
          {({ items }) => <Paces items={items} />}
        </Loaded>
      </Section>
      <Pauses />
      <Section title="Over time" aside={<RangeChoice page="email" query={query} />}>
        <Loaded reading={telemetry} lines={6}>
          {({ from, stepSeconds, series, reported }) => (
            <div class="charts">
              <Chart
                title={`Emails ${perStep(stepSeconds)}`}
                from={from}
                stepSeconds={stepSeconds}
                lines={[
                  countLine("accepted", "b", series.emailsAccepted, reported),
                  countLine("sent", "a", series.emailsSent, reported),
                ]}
              />
              <Chart
                title={`Attempts ${perStep(stepSeconds)}`}
                from={from}
                stepSeconds={stepSeconds}
                lines={[
                  countLine("attempts", "a", series.emailAttempts, reported),
                  countLine("emails that died", "bad", series.emailsDead, reported),
                ]}
              />
            </div>
          )}
        </Loaded>
      </Section>
      <CountsByDay query={query} />
      <FindEmails query={query} />
    </Together>
  );
}

/** The transports that do not take emails now. */
function Transports(facts: {
  health: Health | null;
  breakers: AnswerBody<"listCircuitBreakers"> | null;
}) {
  const found = breakerIssues({ ...facts, now: useNow() });
  return <Issues issues={found.filter(({ key }) => key.startsWith("breaker:email:"))} />;
}

type Pace = AnswerBody<"listEmailTransports">["items"][number];

/** How fast the transports get emails, and what limits of their providers made of that. */
function Paces({ items }: { items: Pace[] }) {
  return (
    <Table
      caption="Transports, and the limits of their providers"
      rows={items.filter(({ used }) => used)}
      keyOf={({ name }) => name}
      empty="No transport is configured."
      columns={[
        { head: "Transport", cell: ({ name }) => name },
        { head: "Rate", cell: (one) => <State tone={paceTone(one)}>{rateText(one)}</State> },
        {
          head: "Slowed",
          cell: ({ slowedAt }) => (slowedAt === undefined ? "–" : <Time at={slowedAt} />),
        },
        {
          head: "Closed until",
          kind: "wide",
          cell: ({ closed }) =>
            closed === undefined ? (
              "–"
            ) : (
              <>
                <Time at={closed.until} />, by: {closed.by.code} {closed.by.text}
              </>
            ),
        },
        { head: "Feedback", cell: feedbackText },
        { head: "Limit", cell: (one) => <EndLimit transport={one} /> },
      ]}
    />
  );
}

function EndLimit({ transport }: { transport: Pace }) {
  const { name, closed, slowedAt } = transport;
  if (closed === undefined && slowedAt === undefined) return "–";
  return (
    <Action
      label="End"
      heading={`End the limit of ${name}`}
      of={name}
      explains={
        <p>
          It gets emails now, at the configured rate. Up to 1,000 emails that wait for a limit are
          due at once. If the provider still refuses them, the limit is back.
        </p>
      }
      reason="required"
      done={`The limit of ${name} has ended.`}
      operation="resetEmailTransport"
      act={(reason) =>
        call("resetEmailTransport", { params: { transport: name }, body: { reason } })
      }
    />
  );
}

type Backlog = Extract<Health["checks"], { email: unknown }>["email"];

function Backlog({ email }: { email: Backlog }) {
  return (
    <Facts
      facts={[
        [
          "Due",
          email.due === 0
            ? "0"
            : `${checkText(email, "due")}, oldest ${spanText(email.oldestDueSeconds * 1_000)}`,
          email.oldestDueSeconds > 300 ? "bad" : "idle",
        ],
        ["Waiting for the next try", waitingText(email), "idle"],
        ["Next try", email.nextDueAt === undefined ? "–" : <Time at={email.nextDueAt} />, "idle"],
        ["Scheduled", checkText(email, "scheduled"), "idle"],
        ["Sending now", checkText(email, "inFlight"), "idle"],
        ["Pinned", checkText(email, "pinned"), email.pinned > 0 ? "warn" : "idle"],
        [
          "Unknown",
          <a href={linkTo("email", null, { status: "unknown" })}>{checkText(email, "unknown")}</a>,
          email.unknown > 0 ? "warn" : "idle",
        ],
        [
          "Dead letters",
          <a href={linkTo("dead-letters")}>{checkText(email, "dead")}</a>,
          email.dead > 0 ? "warn" : "idle",
        ],
      ]}
    />
  );
}
