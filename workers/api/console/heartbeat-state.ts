import type { AnswerBody } from "./api.ts";
import type { Tone } from "./ui/bits.tsx";

/** What the pages of heartbeats show. Pure. */

export type ShownHeartbeat = AnswerBody<"listHeartbeats">["items"][number];
export type ShownPing = AnswerBody<"heartbeatHistory">["items"][number];
type Shown = { tone: Tone; text: string };

const reasons: Record<NonNullable<ShownHeartbeat["down"]>["because"], string> = {
  late: "no ping in time",
  overran: "a run did not end in time",
  failed: "it failed",
};

const tones: Record<ShownHeartbeat["status"], Tone> = {
  new: "idle",
  up: "good",
  late: "warn",
  down: "bad",
  paused: "idle",
  unknown: "idle",
};

export function heartbeatState({ status, down }: Pick<ShownHeartbeat, "status" | "down">): Shown {
  const because = status === "down" && down !== undefined ? `: ${reasons[down.because]}` : "";
  const text = status === "unknown" ? "unknown: its object does not answer" : `${status}${because}`;
  return { tone: tones[status], text };
}

export function scheduleText({ every, cron, timeZone }: ShownHeartbeat["schedule"]): string {
  return every === undefined ? `${cron ?? ""} ${timeZone ?? "UTC"}` : `every ${every}`;
}

export function pingState({ kind, exitStatus }: Pick<ShownPing, "kind" | "exitStatus">): Shown {
  const suffix = exitStatus === undefined ? "" : ` (${exitStatus})`;
  switch (kind) {
    case "success":
      return { tone: "good", text: `success${suffix}` };
    case "fail":
      return { tone: "bad", text: `failure${suffix}` };
    case "start":
    case "log":
      return { tone: "idle", text: kind };
  }
}

/** The schedule in a text: an interval such as `1h`, or a cron expression and perhaps its zone. */
export function scheduleIn(text: string, timeZone: string): ShownHeartbeat["schedule"] {
  const given = text.trim();
  const zone = timeZone.trim();
  if (!given.includes(" ")) return { every: given };
  return { cron: given, ...(zone !== "" && { timeZone: zone }) };
}
