import type { Health } from "../api.ts";
import { useNow } from "../clock.ts";
import { useIssues } from "../health.ts";
import { headlineOf } from "../issues.ts";
import { partsOf } from "../parts.ts";
import { useResource } from "../resource.ts";
import { useTelemetry } from "../telemetry.ts";
import { Section, State } from "../ui/bits.tsx";
import { NoChannel } from "../ui/channels.tsx";
import { Issues } from "../ui/issues.tsx";
import { Failing, Loaded, Together } from "../ui/loaded.tsx";
import { RangeChoice, rangeOf } from "../ui/range.tsx";
import { Traffic } from "./traffic.tsx";

type Readings = ReturnType<typeof useIssues>;

export function OverviewPage({ query }: { query: URLSearchParams }) {
  const readings = useIssues();
  const { health, alerts, breakers } = readings;
  const telemetry = useTelemetry(rangeOf(query));
  return (
    <Together readings={[health, alerts, breakers]}>
      <Summary {...readings} />
      {alerts.body !== null && <NoChannel channels={alerts.body.channels} />}
      <Together readings={[telemetry]}>
        <Section title="Traffic" aside={<RangeChoice page="overview" query={query} />}>
          <Loaded reading={telemetry} lines={6}>
            {(body) => <Traffic body={body} />}
          </Loaded>
        </Section>
        <Section title="Parts">
          <Loaded reading={health} lines={4}>
            {(body) => <Parts {...readings} body={body} />}
          </Loaded>
        </Section>
      </Together>
    </Together>
  );
}

function Summary({ issues, health, alerts, breakers }: Readings) {
  const readings = [health, alerts, breakers];
  const isKnown = readings.every(({ body, failure }) => body !== null && failure === null);
  const { tone, text } = headlineOf(issues);
  return (
    <section aria-label="What is wrong" class="summary" aria-live="polite">
      {(issues.length > 0 || isKnown) && (
        <p class="headline">
          <State tone={tone}>{text}</State>
        </p>
      )}
      {readings.map((reading, n) => (
        <Failing key={n} reading={reading} />
      ))}
      <Issues issues={issues} />
    </section>
  );
}

function Parts({ body, alerts, breakers }: Readings & { body: Health }) {
  const now = useNow();
  const { body: transports } = useResource("listEmailTransports");
  const facts = { health: body, breakers: breakers.body, alerts: alerts.body, transports, now };
  const parts = partsOf(facts);
  return (
    <ul class="parts">
      {parts.map(({ name, link, tone, text }) => (
        <li key={name}>
          <a href={link}>{name}</a>
          <State tone={tone}>{text}</State>
        </li>
      ))}
      <li class="version">Release {body.version}</li>
    </ul>
  );
}
