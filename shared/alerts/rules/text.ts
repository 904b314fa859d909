import type { AlertCondition, NoticeKind } from "./evaluate.ts";

/** The texts of alerts and of their notices. Pure. */

type Texts = Pick<AlertCondition, "holds" | "summary" | "resolvedReason">;

/**
 * The text of an alert, with the numbers of now. While its condition does not hold it keeps the
 * last text: that of the condition would be wrong.
 *
 * @param before the text so far; null if the alert is new
 */
export function alertText({ holds, summary }: Texts, before: string | null): string {
  return holds ? summary : (before ?? summary);
}

/** @param text that of the alert */
export function noticeText(kind: NoticeKind, text: string, { resolvedReason }: Texts): string {
  switch (kind) {
    case "fired":
    case "reminder":
      return text;
    case "recovered":
      return resolvedReason ?? text;
    case "flapping":
      return (
        `${text}. It begins and ends again and again: the next notice comes in a day, ` +
        "or when it has been over for a while"
      );
    default:
      return kind satisfies never;
  }
}
