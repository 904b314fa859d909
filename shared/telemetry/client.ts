import { elapsedMs, sleep, type Clock } from "../lib/base/clock.ts";
import { within } from "../lib/base/deadline.ts";
import type { Report } from "./rules/rpc.ts";

export type TelemetryPorts = {
  send: (report: Report) => Promise<void>;
  /** What this isolate has counted since it began, by name. Only grows. */
  totals: () => Record<string, number>;
  clock: Clock;
  background: (work: Promise<unknown>) => void;
  newId: () => string;
  notify: (error: unknown) => void;
  /** Hears by how much each has grown, once it is known that the report of it arrived. */
  arrived: (increments: Record<string, number>) => void;
};

/** What is counted is reported this much later, together with what is counted meanwhile. */
const DELAY_MS = 2_000;
const TIMEOUT_MS = 5_000;
/**
 * Well before the object takes it for ended, an isolate that was idle begins under a new name, and
 * from zero. One whose reports all failed for so long does too, and what it counted meanwhile is
 * lost: told under a new name it might count twice.
 */
const NEW_NAME_AFTER_MS = 3_600_000;

/** Reports what an isolate counts, off the path of any request. */
export class TelemetryClient {
  readonly #ports: TelemetryPorts;
  #scheduledAt = Number.NEGATIVE_INFINITY;
  #isolate: string | null = null;
  #reportedAt = 0;
  /** What was reported under earlier names. */
  #base: Record<string, number> = {};
  #reported: Record<string, number> = {};
  /** What the object is known to have under the name of now: it need not be told again. */
  #arrived: Record<string, number> = {};

  constructor(ports: TelemetryPorts) {
    this.#ports = ports;
  }

  /** To be called when something was counted. */
  touch(): void {
    const now = this.#ports.clock.now();
    // A request that dies takes its timer along: then the next one schedules again.
    if (elapsedMs(this.#scheduledAt, now) < DELAY_MS + TIMEOUT_MS) return;
    this.#scheduledAt = now;
    this.#ports.background(this.#report());
  }

  async #report(): Promise<void> {
    const { clock, send, newId, notify, totals } = this.#ports;
    await sleep(clock, DELAY_MS);
    this.#scheduledAt = Number.NEGATIVE_INFINITY;
    const now = clock.now();
    if (this.#isolate === null || elapsedMs(this.#reportedAt, now) > NEW_NAME_AFTER_MS) {
      this.#isolate = newId();
      this.#base = this.#reported;
      this.#arrived = {};
      this.#reportedAt = now;
    }
    const counted = totals();
    const isolate = this.#isolate;
    // Before it is known whether it arrived: what is reported twice under two names would count
    // twice.
    this.#reported = counted;
    const arrived = this.#arrived;
    const sinceBase = Object.entries(counted).map(
      ([name, total]) => [name, total - (this.#base[name] ?? 0)] as const,
    );
    const grown = Object.fromEntries(
      sinceBase.filter(([name, total]) => total > (arrived[name] ?? 0)),
    );
    try {
      await within(TIMEOUT_MS, send({ isolate, totals: grown }), clock);
      this.#reportedAt = clock.now();
      // A later report may have arrived before this one, with more.
      const news = Object.entries(grown).filter(([name, total]) => total > (arrived[name] ?? 0));
      const increments = news.map(([name, total]) => [name, total - (arrived[name] ?? 0)]);
      Object.assign(arrived, Object.fromEntries(news));
      this.#ports.arrived(Object.fromEntries(increments));
    } catch (error) {
      notify(error);
    }
  }
}
