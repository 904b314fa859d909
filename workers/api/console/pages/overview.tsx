import { Chart } from "../charts/chart.tsx";
import { countText, numberText, percentText, spanText } from "../format.ts";
import { linkTo } from "../router.ts";
import { useResource, type Reading } from "../resource.ts";
import type { BodyOf, Health } from "../api.ts";
import { Facts, Section, State, Time } from "../ui/bits.tsx";
import { Loaded, Together } from "../ui/loaded.tsx";
import { troubles } from "../verdict.ts";

type Telemetry = BodyOf<"getTelemetry">;

/** `/health` answers 503 while the database is down, and says so all the same. */
export function useHealth(): Reading<Health> {
  const reading = useResource("getHealth");
  const told = reading.failure?.body as Partial<Health> | null | undefined;
  return reading.failure?.status === 503 && told?.checks !== undefined ? { body: told as Health, at: Date.now(), failure: null } : reading;
}

export const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

export function OverviewPage() {
  const health = useHealth();
  const alerts = useResource("listAlerts");
  const telemetry = useResource("getTelemetry", { query: { minutes: "60" } }, 15_000);
  return (
    <Together readings={[health, alerts, telemetry]}>
      <Verdict health={health} alerts={alerts} />
      <Section title="Last hour">
        <Loaded reading={telemetry} lines={6}>
          {(body) => <LastHour body={body} />}
        </Loaded>
      </Section>
      <Section title="Parts">
        <Loaded reading={health} lines={4}>
          {(body) => <Parts health={body} />}
        </Loaded>
      </Section>
    </Together>
  );
}

function Verdict({ health, alerts }: { health: Reading<Health>; alerts: Reading<BodyOf<"listAlerts">> }) {
  const found = troubles(health.body, alerts.body);
  const isKnown = health.body !== null && alerts.body !== null;
  return (
    <section aria-label="What is wrong" class="verdict" aria-live="polite">
      {health.failure !== null && <Loaded reading={{ ...health, body: null }}>{() => null}</Loaded>}
      {health.failure === null && found.length === 0 && (
        <p class="headline">{isKnown ? <State tone="good">All is well</State> : <State tone="idle">Asking…</State>}</p>
      )}
      {found.length > 0 && (
        <>
          <p class="headline">
            <State tone={found[0]?.tone ?? "warn"}>{countText(found.length, "thing needs", "things need")} you</State>
          </p>
          <ul class="troubles">
            {found.map(({ tone, text, since, link, press, runbook }) => (
              <li key={text} class={tone}>
                <State tone={tone}>{text}</State>
                {since !== null && (
                  <span class="since">
                    since <Time at={since} />
                  </span>
                )}
                <span class="links">
                  <a href={`runbooks/${runbook}.html`}>Runbook</a> <a href={link}>{press}</a>
                </span>
              </li>
            ))}
          </ul>
        </>
      )}
    </section>
  );
}

function LastHour({ body: { from, stepSeconds, series } }: { body: Telemetry }) {
  const requests = sum(series.requests);
  const reads = sum(series.cacheHits) + sum(series.cacheMisses);
  return (
    <>
      <Facts
        facts={[
          ["Requests", numberText(requests)],
          ["Answered 5xx", percentText(sum(series.errors5xx), requests), sum(series.errors5xx) > requests / 1_000 ? "bad" : "idle"],
          ["Hit rate", percentText(sum(series.cacheHits), reads)],
          ["Mails sent", numberText(sum(series.emailsSent))],
          ["Mails dead", numberText(sum(series.emailsDead)), sum(series.emailsDead) > 0 ? "warn" : "idle"],
          ["Task runs failed", `${numberText(sum(series.taskFailures))} of ${numberText(sum(series.taskRuns))}`],
        ]}
      />
      <div class="charts">
        <Chart
          title="Requests a minute"
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
            { label: "half within", values: series.requestLatencyP50Ms, color: "a" },
            { label: "99 % within", values: series.requestLatencyP99Ms, color: "b" },
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
        text={open.length === 0 ? "all closed" : open.map(([name, state]) => `${name} ${state.toLowerCase().replace("_", "-")}`).join(", ")}
      />
      <Part
        name="Scheduled tasks"
        link={linkTo("tasks")}
        isWell={checks.tasks.status === "ok"}
        text={checks.tasks.overdue.length === 0 ? "on time" : `${countText(checks.tasks.overdue.length, "task")} overdue`}
      />
      {status !== "down" && (
        <>
          <Part
            name="Cache"
            link={linkTo("cache")}
            isWell={checks.cache.status === "ok"}
            text={checks.cache.owedPurges === 0 ? "owes no purge" : `owes ${countText(checks.cache.owedPurges, "purge")}`}
          />
          <Part
            name="Email"
            link={linkTo("email")}
            isWell={checks.email.status === "ok"}
            text={`${numberText(checks.email.due)} due${checks.email.due > 0 ? `, oldest ${spanText(checks.email.oldestDueSeconds * 1_000)}` : ""}, ${numberText(checks.email.dead)} dead`}
          />
        </>
      )}
      <li class="version">Release {version}</li>
    </ul>
  );
}

function Part({ name, link, isWell, text }: { name: string; link: string; isWell: boolean; text: string }) {
  return (
    <li>
      <a href={link}>{name}</a>
      <State tone={isWell ? "good" : "bad"}>{text}</State>
    </li>
  );
}
