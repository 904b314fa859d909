import { elapsedMs, sleep } from "../../base/clock.ts";
import { REPORT_DELAY_MS } from "../rules/evidence.ts";
import { LOST_AFTER_MS, type IsolateBreakerPorts } from "./isolate-breaker-ports.ts";

/**
 * An isolate reports about once per this time. Otherwise a fleet of a thousand isolates would
 * overload the object while some calls fail, but too few to open the breaker.
 */
const GAP_MS = 1_000;

/**
 * In a crowd of isolates most reports are later, by up to this for each time that snapshots are
 * fresh longer than usual. Otherwise an outage would fill the object with reports, and the reply
 * with which an isolate learns of the open breaker would come late.
 */
const LATE_MS = 1_000;

/** Reports failures soon: those of 100 ms together, and about once per second while they go on. */
export class Reporter {
  readonly #ports: Pick<IsolateBreakerPorts, "background" | "clock" | "random">;
  readonly #send: () => Promise<unknown>;
  #waitsSince: number | null = null;
  #sentAt = 0;

  constructor(
    ports: Pick<IsolateBreakerPorts, "background" | "clock" | "random">,
    send: () => Promise<unknown>,
  ) {
    this.#ports = ports;
    this.#send = send;
  }

  /** @param crowd how many times longer than usual snapshots are fresh */
  soon(now: number, crowd: number): void {
    const lateMs = (crowd - 1) * LATE_MS;
    const lostAfterMs = LOST_AFTER_MS + lateMs;
    if (this.#waitsSince !== null && elapsedMs(this.#waitsSince, now) < lostAfterMs) return;
    this.#waitsSince = now;
    // Spread, since isolates that failed together would report together from then on.
    const gapMs = GAP_MS * (0.5 + this.#ports.random());
    const delayMs = Math.max(REPORT_DELAY_MS, gapMs - elapsedMs(this.#sentAt, now));
    const { random } = this.#ports;
    const isOneOfMany = crowd > 1 && random() >= 1 / crowd ** 2;
    this.#ports.background(this.#after(delayMs + (isOneOfMany ? random() * lateMs : 0)));
  }

  async #after(delayMs: number): Promise<void> {
    const { clock } = this.#ports;
    await sleep(clock, delayMs);
    this.#waitsSince = null;
    this.#sentAt = clock.now();
    await this.#send();
  }
}
