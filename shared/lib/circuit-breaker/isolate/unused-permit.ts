import { sleep, type Clock } from "../../base/clock.ts";
import { within } from "../../base/deadline.ts";
import type { BreakerSyncReply } from "../rules/rpc.ts";
import { leftMs, type HeldPermit } from "./isolate-breaker-ports.ts";

/** How long a late reply is awaited, because it may bring a permit. */
const LATE_MS = 10_000;
/** How long an unused permit waits for a call of this isolate. */
const WAIT_MS = 5_000;

export type UnusedPermitPorts = {
  clock: Clock;
  background: (work: Promise<unknown>) => void;
  giveBack: (permitId: string) => Promise<void>;
};

/**
 * A permit that came too late for the call that asked for it. Without it, an object that is only
 * slow would never see a probe.
 */
export class UnusedPermit {
  readonly #ports: UnusedPermitPorts;
  #permit: HeldPermit | null = null;

  constructor(ports: UnusedPermitPorts) {
    this.#ports = ports;
  }

  /**
   * Takes the permit for a call. One with less than `neededMs` left is given back: its end would
   * count as a failure of the dependency.
   */
  take(neededMs: number, now: number): HeldPermit | null {
    const unused = this.#permit;
    this.#permit = null;
    if (unused === null || leftMs(unused, now) >= neededMs) return unused;
    this.#ports.background(this.#ports.giveBack(unused.id));
    return null;
  }

  /**
   * Keeps the permit of a late reply for the next call, if it `mayWait`. A permit that no call
   * takes is given back. Never rejects.
   */
  async keep(
    reply: Promise<BreakerSyncReply>,
    permit: HeldPermit,
    mayWait: () => boolean,
  ): Promise<void> {
    const { clock, giveBack } = this.#ports;
    const granted = await within(LATE_MS, reply, clock).then(
      (late) => late.granted,
      () => false,
    );
    if (!granted) return;
    if (mayWait()) {
      this.#permit = permit;
      await sleep(clock, WAIT_MS);
      if (this.#permit !== permit) return;
      this.#permit = null;
    }
    await giveBack(permit.id);
  }
}
