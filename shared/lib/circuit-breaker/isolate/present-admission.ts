import { admissionUnder, suggestedRetryMs, type Admission } from "../rules/admission.ts";
import type { IsolateBreaker } from "./isolate-breaker.ts";

/** What an isolate's breaker would decide about a call. It allows calls while nothing is known. */
export function presentAdmission({ held, local, tally }: IsolateBreaker, now: number): Admission {
  if (local !== null) {
    const { snapshot } = local;
    if (snapshot.state === "CLOSED") return { do: "allow" };
    const retryAfterMs = suggestedRetryMs(snapshot, snapshot.retryAfterMs);
    return retryAfterMs > 0 ? { do: "reject", retryAfterMs } : { do: "probe" };
  }
  if (held === null) return { do: "allow" };
  const admission = admissionUnder(held, now);
  if (admission.do !== "allow" || !tally.pause.isOn) return admission;
  const heldMs = tally.pause.leftMs(now);
  return heldMs > 0 ? { do: "reject", retryAfterMs: heldMs } : { do: "probe" };
}
