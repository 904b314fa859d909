import type { AnswerBody } from "../api.ts";
import { State, type Tone } from "./bits.tsx";

type Status = AnswerBody<"getEmail">["status"];

const tones: Partial<Record<Status, Tone>> = {
  sent: "good",
  delivered: "good",
  unknown: "warn",
  pinned: "warn",
  dead: "bad",
  bounced: "bad",
  complained: "warn",
};

/** Of a status, and of the event with its name. */
export const toneOf = (status: string): Tone =>
  Object.hasOwn(tones, status) ? (tones[status as Status] ?? "idle") : "idle";

/** Of one recipient. */
export function StateOfRecipient({ state }: { state: string }) {
  const tone = state === "accepted" ? "good" : state === "refused" ? "bad" : toneOf(state);
  return <State tone={tone}>{state}</State>;
}

export function EmailState({ status }: { status: Status }) {
  return <State tone={toneOf(status)}>{status}</State>;
}
