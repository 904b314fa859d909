import {
  metrics,
  type CounterName,
  type HistogramName,
  type Labels,
  type Metric,
} from "./rules/metrics.ts";
import { seriesOf } from "./rules/series.ts";

/**
 * More series than all operations, tasks and transports have. What is beyond is counted as dropped.
 */
const MAX_SERIES = 2_000;

/** What one isolate has counted since it began. Numbers only grow. */
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
   * Observes a value, in what is observed: see `per` of the metric. Rounded, since reports hold
   * whole numbers.
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

/** Those of this isolate. Plain numbers: they hold no I/O of any request. */
export const counters = new Counters();

/** Counts a call that the breaker of a dependency rejected. */
export function countRejection(dependency: string): void {
  counters.count("luna_circuit_breaker_rejections_total", { dependency });
}
