import { elapsedMs, sleep, type Clock } from "../clock.ts";
import { within } from "../deadline.ts";
import type { Report } from "./rpc.ts";

export type TelemetryPorts = {
  send: (report: Report) => Promise<void>;
  /** What this isolate has counted since it began, by name. Only grows. */
  totals: () => Record<string, number>;
  clock: Clock;
  background: (work: Promise<unknown>) => void;
  newId: () => string;
  notify: (error: unknown) => void;
};

/** What is counted is reported this much later, together with what is counted meanwhile. */
const DELAY_MS = 2_000;
const TIMEOUT_MS = 5_000;
/** Well before the object takes it for ended, an isolate that was idle begins under a new name, and from zero. */
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
      this.#reportedAt = now;
    }
    const counted = totals();
    const isolate = this.#isolate;
    // Before it is known whether it arrived: what is reported twice under two names would count twice.
    this.#reported = counted;
    const sinceBase = Object.entries(counted).map(([name, total]) => [name, total - (this.#base[name] ?? 0)] as const);
    try {
      await within(TIMEOUT_MS, send({ isolate, totals: Object.fromEntries(sinceBase.filter(([, total]) => total > 0)) }), clock);
      this.#reportedAt = clock.now();
    } catch (error) {
      notify(error);
    }
  }
}
