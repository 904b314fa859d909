import * as v from "valibot";
import { shortList } from "../../http/lists.ts";
import { oneLine } from "../../lib/worker/one-line.ts";
import { address, formatMailbox, parseMailbox, type Mailbox } from "./address.ts";
import { looksEncoded } from "./encoded-word.ts";

/** The most recipients of one email: `to`, `cc` and `bcc` together. */
export const MAX_RECIPIENTS = 50;

/** A quote or a backslash would need an escape, about which parsers disagree. */
const shape = /^("[^<>"\\]*" *|[^<>"\\@]*)<[^<>@]+@[^<>@]+>$|^[^<>"\\\s]+@[^<>"\\\s]+$/;

/**
 * `ada@example.com` or `Ada <ada@example.com>`, the name in quotes or not. The output is the same
 * mailbox in one form, so that two spellings of it are one request.
 */
export const mailboxText = v.pipe(
  oneLine(400),
  v.check((text) => !looksEncoded(text), "must not look like an encoded-word (RFC 2047)"),
  v.regex(shape, 'must be one address, as "ada@example.com" or "Ada <ada@example.com>"'),
  v.rawTransform<string, string>(({ dataset, addIssue, NEVER }) => {
    const { name, address: given } = parseMailbox(dataset.value);
    const parsed = v.safeParse(address, given);
    if (parsed.success) return formatMailbox({ name, address: parsed.output });
    for (const { message } of parsed.issues) addIssue({ message });
    return NEVER;
  }),
);

const list = v.pipe(
  shortList(mailboxText, MAX_RECIPIENTS),
  v.minLength(1, "must have at least one entry"),
);
const either = v.union([mailboxText, list]);

/**
 * One mailbox or a list of them. A union would not name the field of a list that is wrong, so the
 * input decides which of the two checks it.
 */
const runs = { one: mailboxText["~run"], list: list["~run"] };
const run: (typeof either)["~run"] = (dataset, config) =>
  (Array.isArray(dataset.value) ? runs.list : runs.one)(dataset, config);
const oneOrList = Object.assign(either, { "~run": run });

/** A list of one is the same as that one. */
export const mailboxes = v.pipe(
  oneOrList,
  v.transform((given) => (Array.isArray(given) && given.length === 1 ? (given[0] ?? "") : given)),
);

/** What `mailboxes` gave. */
export const mailboxesOf = (given: string | string[]): Mailbox[] =>
  (typeof given === "string" ? [given] : given).map(parseMailbox);

export type RecipientKind = "to" | "cc" | "bcc";
export type Recipient = Mailbox & { kind: RecipientKind };

/**
 * The recipients of an email in their order, `bcc` last. An address that is there more than once
 * gets one copy: the first one counts.
 */
export function recipientsOf(
  given: Readonly<Record<RecipientKind, string | string[] | undefined>>,
): Recipient[] {
  const seen = new Set<string>();
  return (["to", "cc", "bcc"] as const).flatMap((kind) =>
    mailboxesOf(given[kind] ?? []).flatMap(({ name, address: to }) => {
      const isRepeated = seen.has(to.toLowerCase());
      seen.add(to.toLowerCase());
      return isRepeated ? [] : [{ kind, name, address: to }];
    }),
  );
}

/**
 * Mailboxes as a column holds them: one plain address as each release stores it, others as JSON,
 * which no address begins like.
 */
export function mailboxesToColumn(given: readonly Mailbox[]): string {
  const [first] = given;
  return first !== undefined && given.length === 1 && first.name === ""
    ? first.address
    : JSON.stringify(given);
}

/** @throws SyntaxError if the text is neither */
export function mailboxesFromColumn(text: string): Mailbox[] {
  return text.startsWith("[") ? (JSON.parse(text) as Mailbox[]) : [{ name: "", address: text }];
}
