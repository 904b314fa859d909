import type { AnswerBody } from "./api.ts";
import type { Tone } from "./ui/bits.tsx";

/** How the console shows how fast a transport gets emails. Pure. */

type Pace = AnswerBody<"listEmailTransports">["items"][number];

export function paceTone({ closed, slowedAt }: Pace): Tone {
  if (closed !== undefined) return "bad";
  return slowedAt === undefined ? "good" : "warn";
}

export function rateText({ closed, ratePerSecond, configuredPerSecond }: Pace): string {
  if (closed !== undefined) return "closed by a limit";
  if (ratePerSecond === undefined) return "no limit";
  const rate = `${ratePerSecond} per second`;
  return configuredPerSecond === undefined || configuredPerSecond === ratePerSecond
    ? rate
    : `${rate} of ${configuredPerSecond}`;
}
