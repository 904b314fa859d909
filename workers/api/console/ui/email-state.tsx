import type { BodyOf } from "../api.ts";
import { State, type Tone } from "./bits.tsx";

type Status = BodyOf<"getEmail">["status"];

const tones: Partial<Record<Status, Tone>> = {
  sent: "good",
  delivered: "good",
  unknown: "warn",
  pinned: "warn",
  dead: "bad",
};

export function EmailState({ status }: { status: Status }) {
  return <State tone={tones[status] ?? "idle"}>{status}</State>;
}
