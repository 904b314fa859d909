import { useState } from "preact/hooks";
import type { BodyOf } from "../api.ts";
import { Chart } from "../charts/chart.tsx";
import { numberText, percentText } from "../format.ts";
import { useResource } from "../resource.ts";
import { perStep, sum, useTelemetry, type Range } from "../telemetry.ts";
import { Facts, Section, State } from "../ui/bits.tsx";
import { Loaded, Together } from "../ui/loaded.tsx";
import { RangeChoice } from "../ui/range.tsx";
import { Table } from "../ui/table.tsx";
import { InspectForm, PurgeForm } from "./purge.tsx";

type Metrics = BodyOf<"cacheMetrics">;

export function CachePage() {
  const [range, setRange] = useState<Range>("hour");
  const telemetry = useTelemetry(range);
  const metrics = useResource("cacheMetrics");
  return (
    <Together readings={[telemetry, metrics]}>
      <Section title="Over time" aside={<RangeChoice range={range} onChoose={setRange} />}>
        <Loaded reading={telemetry} lines={6}>
          {({ from, stepSeconds, series }) => (
            <div class="charts">
              <Chart
                title="Hit rate"
                unit="%"
                from={from}
                stepSeconds={stepSeconds}
                lines={[
                  {
                    label: "without the origin",
                    values: hitRates(series.cacheHits, series.cacheMisses),
                    color: "a",
                  },
                ]}
              />
              <Chart
                title={`Reads ${perStep(stepSeconds)}`}
                from={from}
                stepSeconds={stepSeconds}
                lines={[
                  { label: "hits", values: series.cacheHits, color: "a" },
                  { label: "misses", values: series.cacheMisses, color: "b" },
                  { label: "errors", values: series.cacheErrors, color: "bad" },
                  { label: "fallbacks", values: series.cacheFallbacks, color: "c" },
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
          {(body) => <Totals metrics={body} />}
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

function Totals({ metrics }: { metrics: Metrics }) {
  const state = metrics.circuitBreakerState;
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
    ["Origin failed", metrics.loadErrors],
  ];
  return (
    <>
      <Facts
        facts={[
          [
            "Breaker",
            <State tone={state === "CLOSED" ? "good" : "bad"}>
              {state.toLowerCase().replace("_", "-")}
            </State>,
          ],
          ["Hit rate", metrics.hitRate],
          ["Errors", metrics.errorRate],
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
