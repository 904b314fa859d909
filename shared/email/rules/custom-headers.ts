import * as v from "valibot";
import { record } from "../../lib/worker/record.ts";
import type { FieldError } from "../../lib/worker/validate.ts";

/** The headers that the sender of an email may set: threading, `List-` and `X-`. */

const MAX_HEADERS = 30;
/** In all. Providers take 16 kB together with the headers that Luna sets. */
const MAX_CHARACTERS = 10_000;
/** RFC 5322, 2.1.1, less the name. */
const MAX_VALUE_LENGTH = 900;

const name = v.pipe(
  v.string(),
  v.regex(
    /^(in-reply-to|references|(list|x)-[a-z0-9-]{1,70})$/i,
    "is not a header that an email may set: In-Reply-To, References, List-… or X-…",
  ),
);

const value = v.pipe(
  v.string("must be text"),
  v.maxLength(MAX_VALUE_LENGTH, `must have at most ${MAX_VALUE_LENGTH} characters`),
  v.regex(/^[!-~]([ -~]*[!-~])?$/, "must be printable ASCII, without spaces around it"),
);

export const customHeaders = v.pipe(
  record(name, value),
  v.check(
    (headers) => Object.keys(headers).length <= MAX_HEADERS,
    `must have at most ${MAX_HEADERS} entries`,
  ),
  v.check(
    (headers) => Object.entries(headers).flat().join("").length <= MAX_CHARACTERS,
    `must have at most ${MAX_CHARACTERS} characters in all`,
  ),
);

export type CustomHeaders = v.InferOutput<typeof customHeaders>;

/** RFC 5322, 3.6.4, in the characters that no mail server changes. */
const messageIds = /^<[!-;=?-~]+@[!-;=?-~]+>( +<[!-;=?-~]+@[!-;=?-~]+>)*$/;
const threading = new Set(["in-reply-to", "references"]);

/** By these a relay would take other recipients, past the suppressions. */
const recipientsOfRelays = new Set([
  "x-smtpapi",
  "x-msys-api",
  "x-mc-bccaddress",
  "x-mailgun-recipient-variables",
]);

/** `idHeader`: with the email's id. `hasLink`: Luna adds a link to unsubscribe. */
type Owned = { idHeader: string; hasLink: boolean };

/** Which of the headers are Luna's own, in lower case. */
const isOwned = (header: string, { idHeader, hasLink }: Owned): boolean =>
  header === idHeader.toLowerCase() ||
  header === "x-luna-email" ||
  (hasLink && (header === "list-unsubscribe" || header === "list-unsubscribe-post"));

/** What is wrong with headers beside their form. */
export function checkHeaders(headers: CustomHeaders, owned: Owned): FieldError[] {
  const seen = new Set<string>();
  return Object.entries(headers).flatMap(([given, text]) => {
    const header = given.toLowerCase();
    const path = `headers.${given}`;
    const isRepeated = seen.has(header);
    seen.add(header);
    if (isRepeated) return [{ path, message: "is there twice" }];
    if (isOwned(header, owned)) return [{ path, message: "is set by Luna" }];
    if (recipientsOfRelays.has(header))
      return [{ path, message: "would give the email other recipients" }];
    return threading.has(header) && !messageIds.test(text)
      ? [{ path, message: "must be message ids, as <id@example.com>" }]
      : [];
  });
}
