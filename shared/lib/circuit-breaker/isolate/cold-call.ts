import type { BreakerSyncReply } from "../rules/rpc.ts";
import type { Ended } from "./executor.ts";
import type { IsolateBreaker } from "./isolate-breaker.ts";
import { note } from "./tally.ts";

/** Counts a call that ran while the object was asked, under its reply. It may be the probe. */
export async function settleCold(
  breaker: IsolateBreaker,
  permitId: string,
  asked: Promise<BreakerSyncReply | null>,
  end: Promise<Ended>,
): Promise<void> {
  const reply = await asked;
  const { tally, local } = breaker;
  const ended = await end;
  if (reply?.granted) await breaker.endProbe(permitId, ended);
  else if (local !== null) note(ended, local.outcomes());
  else if (reply === null) note(ended, tally);
  else if (reply.snapshot.epoch === tally.epoch) {
    if (ended.outcome === "failure") tally.coldFailure(ended.error, ended.retryAfterMs);
    if (ended.outcome === "ignored") tally.coldIgnored();
    if (ended.outcome === "slow") tally.coldSlow();
  }
}
