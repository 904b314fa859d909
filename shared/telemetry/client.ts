import { elapsedMs, sleep, type Clock } from "../lib/base/clock.ts";
import { within } from "../lib/base/deadline.ts";
import type { CounterReport } from "./rules/rpc.ts";

export type TelemetryPorts = {
  send: (report: CounterReport) => Promise<void>;
  /** The totals of this isolate since it started, by series. They only grow. */
  totals: () => Record<string, number>;
  clock: Clock;
  background: (work: Promise<unknown>) => void;
  newId: () => string;
  onError: (error: unknown) => void;
  /** Called with the increments of a report once the object has acknowledged it. */
  onReported: (increments: Record<string, number>) => void;
};

/** Counts are reported after this delay, together with those that were added meanwhile. */
const DELAY_MS = 2_000;
const TIMEOUT_MS = 5_000;
/**
 * An isolate that has reported nothing for this long takes a new name and starts from zero, well
 * before the object considers it ended. If its reports failed for so long, their counts are lost:
 * under a new name they might count twice.
 */
const NEW_NAME_AFTER_MS = 3_600_000;

/** Reports the counts of an isolate. It never delays a request. */
export class TelemetryClient {
  readonly #ports: TelemetryPorts;
  #scheduledAt = Number.NEGATIVE_INFINITY;
  #isolate: string | null = null;
  #reportedAt = 0;
  /** The totals reported under earlier names. */
  #base: Record<string, number> = {};
  #reported: Record<string, number> = {};
  /** The acknowledged totals under the present name, which need not be sent again. */
  #acknowledged: Record<string, number> = {};

  constructor(ports: TelemetryPorts) {
    this.#ports = ports;
  }

  /** To be called after each count. */
  touch(): void {
    const now = this.#ports.clock.now();
    // If a request ends early, its timer is lost, and a later call schedules again.
    if (elapsedMs(this.#scheduledAt, now) < DELAY_MS + TIMEOUT_MS) return;
    this.#scheduledAt = now;
    this.#ports.background(this.#report());
  }

  async #report(): Promise<void> {
    const { clock, send, newId, onError, totals } = this.#ports;
    await sleep(clock, DELAY_MS);
    this.#scheduledAt = Number.NEGATIVE_INFINITY;
    const now = clock.now();
    if (this.#isolate === null || elapsedMs(this.#reportedAt, now) > NEW_NAME_AFTER_MS) {
      this.#isolate = newId();
      this.#base = this.#reported;
      this.#acknowledged = {};
      this.#reportedAt = now;
    }
    const counted = totals();
    const isolate = this.#isolate;
    // Set before the reply: totals that are sent again under a new name would count twice.
    this.#reported = counted;
    const acknowledged = this.#acknowledged;
    const sinceBase = Object.entries(counted).map(
      ([name, total]) => [name, total - (this.#base[name] ?? 0)] as const,
    );
    const grown = Object.fromEntries(
      sinceBase.filter(([name, total]) => total > (acknowledged[name] ?? 0)),
    );
    try {
      await within(TIMEOUT_MS, send({ isolate, totals: grown }), clock);
      this.#reportedAt = clock.now();
      // A later report with higher totals may have been acknowledged before this one.
      const news = Object.entries(grown).filter(
        ([name, total]) => total > (acknowledged[name] ?? 0),
      );
      const increments = news.map(([name, total]) => [name, total - (acknowledged[name] ?? 0)]);
      Object.assign(acknowledged, Object.fromEntries(news));
      this.#ports.onReported(Object.fromEntries(increments));
    } catch (error) {
      onError(error);
    }
  }
}
