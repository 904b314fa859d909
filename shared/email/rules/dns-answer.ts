import * as v from "valibot";

/**
 * What a resolver answers in the JSON of DNS over HTTPS
 * (developers.cloudflare.com/1.1.1.1/encryption/dns-over-https/make-api-requests/dns-json). Pure.
 */
const dnsAnswer = v.object({
  Status: v.number(),
  Answer: v.optional(v.array(v.object({ type: v.number(), data: v.string() })), []),
});

/** RFC 1035, 4.1.1 and 3.3.14. */
const NO_ERROR = 0;
const NO_SUCH_NAME = 3;
const TXT = 16;

/**
 * @returns the text of each TXT record; null if the answer does not show whether there is one
 */
export function txtRecords(answer: unknown): string[] | null {
  const parsed = v.safeParse(dnsAnswer, answer);
  if (!parsed.success) return null;
  const { Status: status, Answer: records } = parsed.output;
  if (status === NO_SUCH_NAME) return [];
  if (status !== NO_ERROR) return null;
  return records.flatMap(({ type, data }) => (type === TXT ? [textOf(data)] : []));
}

/** A record has one or more strings, each in quotes: together they are its text (RFC 7208, 3.3). */
function textOf(data: string): string {
  const strings = [...data.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, text = ""]) =>
    text.replaceAll(/\\(.)/g, "$1"),
  );
  return strings.length === 0 ? data : strings.join("");
}
