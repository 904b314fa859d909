import type { AnswerBody } from "../api.ts";
import { Chart, countLine, rangeLine } from "../charts/chart.tsx";
import { numberText, percentText } from "../format.ts";
import { tooManyErrors } from "../issues.ts";
import { perStep, sum } from "../series.ts";
import { Facts } from "../ui/bits.tsx";

/** The requests of a range, with what became of them. */
export function Traffic({ body }: { body: AnswerBody<"getTelemetry"> }) {
  const { from, stepSeconds, series, reported } = body;
  const requests = sum(series.requests);
  const errors5xx = sum(series.errors5xx);
  const reads = sum(series.cacheHits) + sum(series.cacheMisses);
  const dead = sum(series.emailsDead);
  return (
    <>
      <Facts
        facts={[
          ["Requests", numberText(requests)],
          [
            "5xx (target < 0.1 %)",
            percentText(errors5xx, requests),
            tooManyErrors(errors5xx, requests) ? "warn" : "idle",
          ],
          ["Hit rate (target > 80 %)", percentText(sum(series.cacheHits), reads)],
          ["Emails sent", numberText(sum(series.emailsSent))],
          ["Emails dead", numberText(dead), dead > 0 ? "warn" : "idle"],
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
            countLine("all", "a", series.requests, reported),
            countLine("5xx", "bad", series.errors5xx, reported),
          ]}
        />
        <Chart
          title="Latency, as the range it was measured in"
          unit="ms"
          from={from}
          stepSeconds={stepSeconds}
          lines={[
            rangeLine("p50", "a", series.requestLatencyP50Range),
            rangeLine("p99", "b", series.requestLatencyP99Range),
          ]}
        />
      </div>
    </>
  );
}
