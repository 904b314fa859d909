import { elapsedMs } from "../../base/clock.ts";
import { isOld, type HeldSnapshot } from "../rules/admission.ts";

/** The only wait for the object that a caller ever has: for the permit of its probe. */
export const ASK_TIMEOUT_MS = 1_000;
/** A call that has asked for so long has died. */
const LOST_AFTER_MS = 2 * ASK_TIMEOUT_MS;
/**
 * A call cannot wait for the reply to another one. After an idle time so many calls of an isolate
 * ask for themselves, since what held before is no reason to reject them.
 */
const MOST_WHEN_OLD = 3;

/** Limits how many calls of an isolate ask for a permit at a time. */
export class Asking {
  #since: number[] = [];

  /** @returns whether this call may ask */
  begin(held: HeldSnapshot | null, now: number): boolean {
    this.#since = this.#since.filter((at) => elapsedMs(at, now) < LOST_AFTER_MS);
    if (this.#since.length >= (isOld(held, now) ? MOST_WHEN_OLD : 1)) return false;
    this.#since.push(now);
    return true;
  }

  end(since: number): void {
    const place = this.#since.indexOf(since);
    if (place >= 0) this.#since.splice(place, 1);
  }
}
