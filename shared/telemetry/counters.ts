import {
  metrics,
  type CounterName,
  type HistogramName,
  type Labels,
  type Metric,
} from "./rules/metrics.ts";
import { seriesOf } from "./rules/series.ts";

/** More than the series of all operations, tasks and transports. Further ones are dropped. */
const MAX_SERIES = 2_000;

/** The counts of one isolate since it started. They only grow. */
export class Counters {
  readonly #counted = new Map<string, number>();
  readonly #maxSeries: number;

  constructor(maxSeries = MAX_SERIES) {
    this.#maxSeries = maxSeries;
  }

  count<Name extends CounterName>(name: Name, labels: Labels<Name>, by = 1): void {
    this.#add(seriesOf(name, labels), by);
  }

  /**
   * Observes a value in the observed unit (see `per` of the metric). It is rounded, since reports
   * contain whole numbers.
   */
  observe<Name extends HistogramName>(name: Name, labels: Labels<Name>, value: number): void {
    const { bounds, per }: Metric & { kind: "histogram" } = metrics[name];
    const positive = Math.max(Math.round(value), 0);
    const bound = bounds.find((upper) => positive <= upper * per);
    this.#add(seriesOf(`${name}_bucket`, { ...labels, le: bound ?? "+Inf" }), 1);
    this.#add(seriesOf(`${name}_sum`, labels), positive);
  }

  totals(): Record<string, number> {
    return Object.fromEntries(this.#counted);
  }

  #add(series: string, by: number): void {
    const before = this.#counted.get(series);
    if (before === undefined && this.#counted.size >= this.#maxSeries) {
      if (series !== DROPPED) this.#counted.set(DROPPED, (this.#counted.get(DROPPED) ?? 0) + 1);
      return;
    }
    this.#counted.set(series, (before ?? 0) + by);
  }
}

const DROPPED = "luna_telemetry_dropped_total" satisfies CounterName;

/** The counters of this isolate. They are plain numbers, not tied to a request. */
export const counters = new Counters();

/** Counts a call that the circuit breaker of a dependency rejected. */
export function countRejection(dependency: string): void {
  counters.count("luna_circuit_breaker_rejections_total", { dependency });
}
