import type { AnswerBody } from "../api.ts";
import { breakerIssues } from "../breaker-issues.ts";
import { shownState, type BreakerItem } from "../breaker-state.ts";
import { Chart, countLine, valueLine } from "../charts/chart.tsx";
import { useNow } from "../clock.ts";
import { numberText, percentText } from "../format.ts";
import { useResource } from "../resource.ts";
import { perStep, sum } from "../series.ts";
import { useTelemetry } from "../telemetry.ts";
import { Facts, Section, State } from "../ui/bits.tsx";
import { Issues } from "../ui/issues.tsx";
import { Loaded, Together } from "../ui/loaded.tsx";
import { RangeChoice, rangeOf } from "../ui/range.tsx";
import { Table } from "../ui/table.tsx";
import { InspectForm, PurgeForm } from "./purge.tsx";

type Metrics = AnswerBody<"cacheMetrics">;

export function CachePage({ query }: { query: URLSearchParams }) {
  const telemetry = useTelemetry(rangeOf(query));
  const metrics = useResource("cacheMetrics");
  const breakers = useResource("listCircuitBreakers");
  const found = breakerIssues({ health: null, breakers: breakers.body, now: useNow() });
  const kvIssues = found.filter(({ key }) => key === "breaker:cache");
  const kv = breakers.body?.items.find(({ name }) => name === "cache");
  return (
    <Together readings={[telemetry, metrics, breakers]}>
      <Section title="Over time" aside={<RangeChoice page="cache" query={query} />}>
        <Issues issues={kvIssues} />
        <Loaded reading={telemetry} lines={6}>
          {({ from, stepSeconds, series, reported }) => (
            <div class="charts">
              <Chart
                title="Hit rate"
                unit="%"
                from={from}
                stepSeconds={stepSeconds}
                lines={[
                  valueLine(
                    "without the origin",
                    "a",
                    hitRates(series.cacheHits, series.cacheMisses),
                    "%",
                  ),
                ]}
              />
              <Chart
                title={`Reads ${perStep(stepSeconds)}`}
                from={from}
                stepSeconds={stepSeconds}
                lines={[
                  countLine("hits", "a", series.cacheHits, reported),
                  countLine("misses", "b", series.cacheMisses, reported),
                  countLine("errors", "bad", series.cacheErrors, reported),
                  countLine("fallbacks", "c", series.cacheFallbacks, reported),
                ]}
              />
              <p class="hidden">
                In this range{" "}
                {percentText(
                  sum(series.cacheHits),
                  sum(series.cacheHits) + sum(series.cacheMisses),
                )}{" "}
                of the reads were hits.
              </p>
            </div>
          )}
        </Loaded>
      </Section>
      <Section title="Since the first deployment">
        <Loaded reading={metrics} lines={6}>
          {(body) => <Totals metrics={body} kv={kv} />}
        </Loaded>
      </Section>
      <PurgeForm />
      <InspectForm />
    </Together>
  );
}

const hitRates = (hits: readonly number[], misses: readonly number[]): (number | null)[] =>
  hits.map((hit, n) =>
    hit + (misses[n] ?? 0) === 0 ? null : (100 * hit) / (hit + (misses[n] ?? 0)),
  );

function Totals({ metrics, kv }: { metrics: Metrics; kv: BreakerItem | undefined }) {
  const reads = metrics.hits + metrics.misses;
  const tiers: [string, number, string][] = [
    ["Memory (L1)", metrics.hitsL1, "answered by the isolate"],
    ["KV (L2)", metrics.hitsL2, "answered by KV"],
    ["Stale", metrics.hitsStale, "served at once, and revalidated in the background"],
    ["Origin", metrics.misses, "D1 was asked"],
    ["Stale, origin failed", metrics.staleOnError, "part of Origin: an older value was served"],
    ["Fallback", metrics.fallbacks, "part of Origin: the fallback was served"],
    ["Unanswered", metrics.unanswered, "part of Origin: no answer"],
  ];
  const errors: [string, number][] = [
    ["KV failed", metrics.kvErrors],
    ["KV refused a write (rate limit)", metrics.kvRateLimited],
    ["Tag index did not answer", metrics.tagIndexErrors],
    ["Corrupt entries", metrics.corrupt],
    ["Entries too large", metrics.tooLarge],
    ["Entries not storable", metrics.unstorable],
    ["Origin failed", metrics.loadErrors],
  ];
  return (
    <>
      <Facts
        facts={[
          [
            "Breaker of KV",
            kv === undefined ? (
              "not known"
            ) : (
              <State tone={shownState(kv).tone}>{shownState(kv).word}</State>
            ),
          ],
          ["Hit rate", percentText(metrics.hits, reads)],
          ["Errors", percentText(metrics.errors, reads)],
          ["Purges", numberText(metrics.purges)],
        ]}
      />
      <div class="columns">
        <Table
          caption="Reads by tier"
          rows={tiers}
          keyOf={([name]) => name}
          empty=""
          columns={[
            { head: "Answered by", cell: ([name]) => name },
            { head: "Reads", kind: "number", cell: ([, count]) => numberText(count) },
            { head: "Share", kind: "number", cell: ([, count]) => percentText(count, reads) },
            { head: "What it means", kind: "wide", cell: ([, , meaning]) => meaning },
          ]}
        />
        <Table
          caption="Errors"
          rows={errors}
          keyOf={([name]) => name}
          empty=""
          columns={[
            { head: "Error", cell: ([name]) => name },
            { head: "Times", kind: "number", cell: ([, count]) => numberText(count) },
          ]}
        />
      </div>
    </>
  );
}
