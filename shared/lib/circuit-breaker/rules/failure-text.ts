/** The longest text of a failure that is reported. */
export const MAX_FAILURE_TEXT = 200;

/** Longer texts are cut before they are searched, without the word that the cut may be within. */
const MAX_SEARCHED = 500;

/**
 * What a failed call reports to operators: the message of its error in one line. Addresses and URLs
 * are masked, since a server's text may repeat a recipient and a URL may be a secret.
 */
export function failureText(error: unknown): string {
  const message = messageOf(error);
  const searched =
    message.length <= MAX_SEARCHED
      ? message
      : message.slice(0, MAX_SEARCHED).replace(/\S*$/, "\u2026");
  return searched
    .replace(/\bhttps?:\/\/\S+/gi, "<url>")
    .replace(/\S+@\S+/g, "<address>")
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, " ")
    .trim()
    .slice(0, MAX_FAILURE_TEXT)
    .toWellFormed();
}

/** Never throws: a call may fail with anything, and its caller must get just that. */
function messageOf(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message || error.name : error);
  } catch {
    return "unknown";
  }
}
