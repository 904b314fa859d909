import type { AnswerBody } from "./api.ts";

/** What the console states of feedback about emails. Pure. */

type Email = Pick<AnswerBody<"getEmail">, "status" | "feedback">;
type Transport = Pick<AnswerBody<"listEmailTransports">["items"][number], "feedback">;

/** Why an email may stay `sent`; null if it need not, or that is not known. */
export function feedbackNote({ status, feedback }: Email): string | null {
  return status === "sent" && feedback === "not-configured"
    ? "No feedback configured: it stays sent, whether it arrives or bounces."
    : null;
}

/** The release before does not answer it. */
export function feedbackText({ feedback }: Transport): string {
  if (feedback === undefined) return "–";
  return feedback === "configured" ? "configured" : "no feedback configured";
}
