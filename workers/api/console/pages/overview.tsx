import { useState } from "preact/hooks";
import type { BodyOf, Health } from "../api.ts";
import { Chart } from "../charts/chart.tsx";
import { countText, numberText, percentText, spanText } from "../format.ts";
import { useHealth } from "../health.ts";
import { findIssues } from "../issues.ts";
import { useResource, type Reading } from "../resource.ts";
import { linkTo } from "../router.ts";
import { perStep, sum, useTelemetry, type Range } from "../telemetry.ts";
import { Facts, Section, State, Time } from "../ui/bits.tsx";
import { Failing, Loaded, Together } from "../ui/loaded.tsx";
import { RangeChoice } from "../ui/range.tsx";

type Telemetry = BodyOf<"getTelemetry">;

export function OverviewPage() {
  const health = useHealth();
  const alerts = useResource("listAlerts");
  const breakers = useResource("listCircuitBreakers");
  const [range, setRange] = useState<Range>("hour");
  const telemetry = useTelemetry(range);
  return (
    <>
      <Together readings={[health, alerts, breakers]}>
        <Summary health={health} alerts={alerts} breakers={breakers} />
      </Together>
      <Together readings={[health, alerts, breakers, telemetry]}>
        <Section title="Traffic" aside={<RangeChoice range={range} onChoose={setRange} />}>
          <Loaded reading={telemetry} lines={6}>
            {(body) => <Traffic body={body} />}
          </Loaded>
        </Section>
        <Section title="Parts">
          <Loaded reading={health} lines={4}>
            {(body) => <Parts health={body} />}
          </Loaded>
        </Section>
      </Together>
    </>
  );
}

function Summary({
  health,
  alerts,
  breakers,
}: {
  health: Reading<Health> & { downSince: string | null };
  alerts: Reading<BodyOf<"listAlerts">>;
  breakers: Reading<BodyOf<"listCircuitBreakers">>;
}) {
  const found = findIssues(health.body, alerts.body, breakers.body, health.downSince);
  const readings = [health, alerts, breakers];
  const isKnown = readings.every(({ body, failure }) => body !== null && failure === null);
  return (
    <section aria-label="What is wrong" class="summary" aria-live="polite">
      {found.length === 0 && isKnown && (
        <p class="headline">
          <State tone="good">Everything works</State>
        </p>
      )}
      {readings.map((reading, n) => (
        <Failing key={n} reading={reading} />
      ))}
      {found.length > 0 && (
        <>
          <p class="headline">
            <State tone={found[0]?.tone ?? "warn"}>{countText(found.length, "issue")}</State>
          </p>
          <ul class="issues">
            {found.map(({ key, tone, text, since, link, press, runbook }) => (
              // Not by its text, which changes: a new element would take the focus from its links.
              <li key={key} class={tone}>
                <State tone={tone}>{text}</State>
                {since !== null && (
                  <span class="since">
                    since <Time at={since} />
                  </span>
                )}
                <span class="links">
                  <a href={`runbooks/${runbook}`}>Runbook</a> <a href={link}>{press}</a>
                </span>
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}

function Traffic({ body: { from, stepSeconds, series } }: { body: Telemetry }) {
  const requests = sum(series.requests);
  const reads = sum(series.cacheHits) + sum(series.cacheMisses);
  return (
    <>
      <Facts
        facts={[
          ["Requests", numberText(requests)],
          [
            "Answered 5xx",
            percentText(sum(series.errors5xx), requests),
            sum(series.errors5xx) > requests / 1_000 ? "bad" : "idle",
          ],
          ["Hit rate", percentText(sum(series.cacheHits), reads)],
          ["Emails sent", numberText(sum(series.emailsSent))],
          [
            "Emails dead",
            numberText(sum(series.emailsDead)),
            sum(series.emailsDead) > 0 ? "warn" : "idle",
          ],
          [
            "Task runs failed",
            `${numberText(sum(series.taskFailures))} of ${numberText(sum(series.taskRuns))}`,
          ],
        ]}
      />
      <div class="charts">
        <Chart
          title={`Requests ${perStep(stepSeconds)}`}
          from={from}
          stepSeconds={stepSeconds}
          lines={[
            { label: "all", values: series.requests, color: "a" },
            { label: "5xx", values: series.errors5xx, color: "bad" },
          ]}
        />
        <Chart
          title="Latency"
          unit="ms"
          from={from}
          stepSeconds={stepSeconds}
          lines={[
            { label: "median", values: series.requestLatencyP50Ms, color: "a" },
            { label: "99 %", values: series.requestLatencyP99Ms, color: "b" },
          ]}
        />
      </div>
    </>
  );
}

function Parts({ health: { status, version, checks } }: { health: Health }) {
  const open = Object.entries(checks.breakers.states).filter(([, state]) => state !== "CLOSED");
  return (
    <ul class="parts">
      <Part
        name="Database"
        link={linkTo("breakers")}
        isWell={checks.database.status === "ok"}
        text={checks.database.status === "ok" ? "answers" : "does not answer"}
      />
      <Part
        name="Circuit breakers"
        link={linkTo("breakers")}
        isWell={checks.breakers.status === "ok"}
        text={
          open.length === 0
            ? "all closed"
            : open
                .map(([name, state]) => `${name} ${state.toLowerCase().replace("_", "-")}`)
                .join(", ")
        }
      />
      <Part
        name="Scheduled tasks"
        link={linkTo("tasks")}
        isWell={checks.tasks.status === "ok"}
        text={
          checks.tasks.overdue.length === 0
            ? "on time"
            : `${countText(checks.tasks.overdue.length, "task")} overdue`
        }
      />
      {status !== "down" && (
        <>
          <Part
            name="Cache"
            link={linkTo("cache")}
            isWell={checks.cache.status === "ok"}
            text={
              checks.cache.owedPurges === 0
                ? "purge outbox empty"
                : `${countText(checks.cache.owedPurges, "purge")} in the outbox`
            }
          />
          <Part
            name="Email"
            link={linkTo("email")}
            isWell={checks.email.status === "ok"}
            text={emailText(checks.email)}
          />
        </>
      )}
      <li class="version">Release {version}</li>
    </ul>
  );
}

type EmailCheck = Extract<Health["checks"], { email: unknown }>["email"];

function emailText({ due, dead, oldestDueSeconds }: EmailCheck): string {
  const oldest = due > 0 ? [`oldest ${spanText(oldestDueSeconds * 1_000)}`] : [];
  return [`${numberText(due)} due`, ...oldest, `${numberText(dead)} dead`].join(", ");
}

function Part({
  name,
  link,
  isWell,
  text,
}: {
  name: string;
  link: string;
  isWell: boolean;
  text: string;
}) {
  return (
    <li>
      <a href={link}>{name}</a>
      <State tone={isWell ? "good" : "bad"}>{text}</State>
    </li>
  );
}
