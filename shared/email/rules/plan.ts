import { offersUnsubscribe } from "../unsubscribe.ts";
import {
  chooseTransport,
  inOrderOf,
  ORPHAN_MS,
  shareOf,
  takersOf,
  tooLarge,
  type Candidate,
} from "./choice.ts";
import type { Claimed } from "./claimed.ts";
import { keyForgotten } from "./details.ts";
import { filesBytes, joins } from "./hand-over-size.ts";
import { putBack, type Settlement } from "./lifecycle.ts";
import type { AttemptDetail } from "./outcome.ts";
import { mostAtOnce } from "./pace.ts";
import type { Refusals } from "./refusals.ts";
import { MAX_DEFERRAL_MS } from "./retry-policy.ts";
import type { TransportName } from "./transports.ts";
import { backlogKey } from "./turns.ts";
import type { Waited } from "./waits.ts";

/** Decides which emails of a batch go next, and to which transport. Pure. */

/**
 * An email that a transport refused, on its way to another. `otherwise` is what it becomes if that
 * does not come to pass.
 */
type Failover = {
  to: TransportName;
  from: TransportName;
  tried: TransportName[];
  refusals: Refusals;
  refusal: AttemptDetail;
  otherwise: Settlement;
};

/** `reservesAheadMs`: how far ahead it may reserve the rate of a transport. */
export type Waiting = Claimed & { failover: Failover | null; reservesAheadMs: number };

type PlannedMark = { email: Waiting; transport: TransportName };
type PutBack = { email: Waiting; settlement: Settlement; detail: AttemptDetail };

export type Plan = { marks: PlannedMark[]; putBack: PutBack[]; rest: Waiting[] };

/**
 * `hasLinks`: whether unsubscribe links can be made. An email that needs one waits until then.
 * `now`: milliseconds since the epoch.
 */
type Group = {
  waiting: readonly Waiting[];
  candidates: readonly Candidate[];
  size: number;
  hasLinks: boolean;
  now: number;
};

/**
 * Takes emails from the front until `size` of them have a transport. What has none now is put back,
 * without an attempt.
 */
export function planGroup({ waiting, candidates, size, hasLinks, now }: Group): Plan {
  const plan: Plan = { marks: [], putBack: [], rest: [] };
  const full = new Set<TransportName>();
  const times = new ComingBack();
  let heldBytes = 0;
  for (const [place, email] of waiting.entries()) {
    const bytes = filesBytes(email.files);
    if (plan.marks.length === size) {
      plan.rest.push(...waiting.slice(place));
      break;
    }
    if (heldBytes > 0 && !joins(heldBytes, bytes)) {
      plan.rest.push(email);
      continue;
    }
    if (email.failover !== null) {
      heldBytes += bytes;
      plan.marks.push({ email, transport: email.failover.to });
      continue;
    }
    const back = (dueAt: number, detail: AttemptDetail, why: WaitsFor = {}): void => {
      plan.putBack.push({ email, settlement: settlementOf(email, dueAt, why), detail });
    };
    if (email.pinned !== null && email.pinned.until <= now) {
      back(now, keyForgotten(email.pinned.to));
      continue;
    }
    if (!hasLinks && offersUnsubscribe(email.category)) {
      back(now + MAX_DEFERRAL_MS, noLink);
      continue;
    }
    const own = email.pinned === null ? takersOf(email, candidates) : candidates;
    if (own.length === 0 && inOrderOf(email.transportOrder, candidates).length > 0) {
      back(now + ORPHAN_MS, tooLarge, { waited: forServer });
      continue;
    }
    const choice = chooseTransport(email.pinned?.to ?? null, [], own, full);
    if ("waitMs" in choice) {
      // Others may take emails meanwhile, so that no breaker shows that this one waits.
      const isAlone = own !== candidates;
      const waitMs = isAlone ? growingMs(email, choice.waitMs, now) : choice.waitMs;
      const waited = isAlone ? forServer : undefined;
      back(now + waitMs, choice.detail, { limited: choice.limited, waited });
      continue;
    }
    const candidate = candidates.find(({ name }) => name === choice.use);
    if (candidate !== undefined && candidate.pacedUntil > now) {
      back(Math.max(times.next(candidate, email), now), {
        transport: choice.use,
        phase: "rate-limit",
        text: "the transport's rate is used up",
      });
      continue;
    }
    const others = plan.marks.filter(({ transport }) => transport === choice.use).length;
    if (others >= mostAtOnce(candidate?.everyMs ?? null)) {
      plan.rest.push(email);
      continue;
    }
    heldBytes += bytes;
    plan.marks.push({ email, transport: choice.use });
    const taken = others + 1;
    if (candidate !== undefined && taken >= mostOf(candidate, candidates, size))
      full.add(choice.use);
  }
  return plan;
}

const LONGEST_GROWING_MS = 900_000;

/**
 * An email that waits although others go is claimed each time. It comes back after half of the time
 * for which it has waited by now, so that it costs less and less.
 */
function growingMs({ waitingSince }: Waiting, waitMs: number, now: number): number {
  const waitedMs = now - (waitingSince ?? now);
  return Math.max(waitMs, Math.min(Math.ceil(waitedMs / 2), LONGEST_GROWING_MS));
}

/** Why an email is put back. `limited`: because of a limit. */
type WaitsFor = { limited?: boolean; waited?: Waited | undefined };

function settlementOf(
  { pinned, ...email }: Waiting,
  dueAt: number,
  { limited = false, waited }: WaitsFor,
): Settlement {
  const pinnedUntil = pinned?.until ?? null;
  // A limit may end earlier, while the provider still recognizes the key.
  const at = limited && pinnedUntil !== null ? Math.min(dueAt, pinnedUntil - 1) : dueAt;
  const settlement = putBack({ ...email, pinnedUntil }, at, limited);
  const waits = waited !== undefined && !limited && settlement.status === "queued";
  return waits ? { ...settlement, waited } : settlement;
}

const forServer: Waited = { class: "server", count: 0 };

/**
 * When emails come back that found no capacity: one after another, in the line of their tenant if
 * it has one.
 */
class ComingBack {
  private readonly nextAt = new Map<string, number>();

  next({ name, lines, pacedUntil, everyMs }: Candidate, email: Waiting): number {
    const line = lines?.get(backlogKey(email));
    const key = line === undefined ? name : `${name} ${backlogKey(email)}`;
    const at = this.nextAt.get(key) ?? line?.fromAt ?? pacedUntil;
    this.nextAt.set(key, at + (line?.everyMs ?? everyMs ?? 0));
    return Math.ceil(at);
  }
}

/**
 * How many emails of a group a transport takes. The claim has limited a batch to the share of a
 * transport that recovers, unless another one takes the others.
 */
function mostOf(
  { name, admission }: Candidate,
  candidates: readonly Candidate[],
  size: number,
): number {
  if (admission.do !== "allow") return 1;
  const others = candidates.filter((one) => one.name !== name);
  const isAlone = others.every((one) => shareOf(one.admission) < 1);
  return isAlone ? Infinity : Math.ceil(shareOf(admission) * size);
}

const noLink: AttemptDetail = {
  transport: "none",
  phase: "configuration",
  text:
    "PUBLIC_URL or UNSUBSCRIBE_SECRET is missing or bad, " +
    "and the email needs an unsubscribe link",
};
