import { DAY_MS, elapsedMs, type Clock } from "../../base/clock.ts";
import { within } from "../../base/deadline.ts";
import type { Override, Snapshot } from "../rules/phase.ts";
import type { Inspection } from "../rules/rpc.ts";

/** What a breaker announces of itself. It has no counts, which change with every call. */
export type BreakerStanding = Pick<Inspection, "state" | "epoch" | "last"> & {
  /** The name of its object. */
  name: string;
  /** The id of its object in hexadecimal. The name does not follow from it. */
  object: string;
  override: Override["kind"];
  /** Null while it is closed. */
  outage: NonNullable<Inspection["outage"]> | null;
};

/** The mark of the standing that the host took last, and when. Before the first it is empty. */
export type Announced = { taken: string; at: number };

type AnnouncerPorts = {
  /** Rejects if the standing was not taken. It is then announced again later. */
  announce: (standing: BreakerStanding) => Promise<void>;
  standing: () => BreakerStanding;
  /** See `markOf`. */
  mark: () => string;
  announced: Announced | null;
  save: (announced: Announced) => void;
  /** Calls `retry` at this time, even if the object was evicted meanwhile. */
  wakeAt: (at: number) => Promise<void>;
  clock: Clock;
  background: (work: Promise<unknown>) => void;
  onError: (error: unknown) => void;
};

/** A breaker that is in use announces itself at least so often. One that does not is idle. */
const AGAIN_MS = DAY_MS;
const TIMEOUT_MS = 5_000;
const RETRY_MS = { first: 30_000, most: 3_600_000 };

/**
 * Announces a breaker to its host: when it is first used, when its state, epoch or override
 * changes, and once per day while it is used. It runs in the background, one announcement at a
 * time. It never delays or fails a call. One that fails is repeated after 30 s, and then after
 * twice as long each time, up to an hour; also if no call follows.
 */
export class Announcer {
  readonly #ports: AnnouncerPorts;
  #announced: Announced | null;
  #isRunning = false;
  #failedAt = Number.NEGATIVE_INFINITY;
  #waitMs = 0;

  constructor(ports: AnnouncerPorts) {
    this.#ports = ports;
    this.#announced = ports.announced;
  }

  /**
   * To be called after each event. `isUse`: it came from a caller of the dependency, or an operator
   * changed the breaker. To look at a breaker neither registers it nor keeps it registered.
   */
  touch(isUse: boolean): void {
    try {
      if (this.#announced === null && isUse) this.#save({ taken: "", at: 0 });
      if (this.#isDue(isUse)) this.#ports.background(this.#announce());
    } catch (error) {
      this.#ports.onError(error);
    }
  }

  /** To be called at the time given to `wakeAt`. */
  async retry(): Promise<void> {
    this.#failedAt = Number.NEGATIVE_INFINITY;
    if (this.#isDue(false)) await this.#announce();
  }

  #isDue(isUse: boolean): boolean {
    if (this.#announced === null || this.#isRunning) return false;
    const now = this.#ports.clock.now();
    if (elapsedMs(this.#failedAt, now) < this.#waitMs) return false;
    const { taken, at } = this.#announced;
    return taken !== this.#ports.mark() || (isUse && elapsedMs(at, now) >= AGAIN_MS);
  }

  async #announce(): Promise<void> {
    const { announce, clock, mark, onError, standing } = this.#ports;
    const taken = mark();
    this.#isRunning = true;
    try {
      await within(TIMEOUT_MS, announce(standing()), clock);
      this.#waitMs = 0;
      this.#save({ taken, at: clock.now() });
    } catch (error) {
      onError(error);
      await this.#wait();
    } finally {
      this.#isRunning = false;
    }
    // It may have changed meanwhile.
    this.touch(false);
  }

  async #wait(): Promise<void> {
    const { clock, onError, wakeAt } = this.#ports;
    this.#failedAt = clock.now();
    this.#waitMs = Math.min(Math.max(2 * this.#waitMs, RETRY_MS.first), RETRY_MS.most);
    await wakeAt(this.#failedAt + this.#waitMs).catch(onError);
  }

  #save(announced: Announced): void {
    this.#announced = announced;
    this.#ports.save(announced);
  }
}

/** What of a breaker is announced when it changes. */
export function markOf({ state, epoch, override }: Snapshot): string {
  return `${state} ${epoch} ${override.kind}`;
}
