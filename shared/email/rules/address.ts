import * as v from "valibot";

/** RFC 5321, 4.5.3.1: 64 octets before the @, 254 in all (a path of 256 less its brackets). */
const MAX_ADDRESS_LENGTH = 254;
const MAX_LOCAL_PART_LENGTH = 64;

/**
 * C0 and C1 controls, line and paragraph separators: none has a place in a header, and CR or LF
 * would begin a new one.
 */
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const controls = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

/** Text that may stand in one header line. */
export const headerText = (maxLength: number) =>
  v.pipe(
    v.string("must be text"),
    v.maxLength(maxLength, `must have at most ${maxLength} characters`),
    v.check((text) => !controls.test(text), "must not contain line breaks or control characters"),
  );

/** RFC 5322, 3.2.3 and RFC 1035, 2.3.1, as parts of a regular expression. */
const atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
const label = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?";

/**
 * One plain ASCII address such as `ada@example.com`: no display name, list, comment, quoting or
 * IDN, because parsers disagree about those and the one that disagrees sends the email to another
 * person.
 */
export const address = v.pipe(
  v.string("must be text"),
  v.maxLength(MAX_ADDRESS_LENGTH, `must have at most ${MAX_ADDRESS_LENGTH} characters`),
  v.regex(
    new RegExp(`^${atom}(\\.${atom})*@(${label}\\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])$`),
    "must be one plain email address",
  ),
  v.check(
    (text) => text.indexOf("@") <= MAX_LOCAL_PART_LENGTH,
    `must have at most ${MAX_LOCAL_PART_LENGTH} characters before the @`,
  ),
);

export type Mailbox = { name: string; address: string };

/** A sender as `hello@example.com` or `Name <hello@example.com>`. */
export const mailbox = v.pipe(
  headerText(400),
  v.transform(parseMailbox),
  v.check((sender) => v.is(address, sender.address), 'must look like "Name <hello@example.com>"'),
);

export function parseMailbox(text: string): Mailbox {
  const named = /^([^<>"]*)<([^<>]*)>$/.exec(text);
  return named
    ? { name: (named[1] ?? "").trim(), address: (named[2] ?? "").trim() }
    : { name: "", address: text.trim() };
}

export function formatMailbox(sender: Mailbox): string {
  return sender.name === "" ? sender.address : `${sender.name} <${sender.address}>`;
}
