import * as v from "valibot";
import { oneLine } from "../../lib/worker/one-line.ts";
import { looksEncoded } from "./encoded-word.ts";

/** RFC 5321, 4.5.3.1: 64 octets before the @, 254 in all (a path of 256 less its brackets). */
const MAX_ADDRESS_LENGTH = 254;
const MAX_LOCAL_PART_LENGTH = 64;

/** RFC 5322, 3.2.3 and RFC 1035, 2.3.1, as parts of a regular expression. */
const atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
const label = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
/** A character of a label before its conversion. */
const wide = "[A-Za-z0-9\\u00a1-\\ud7ff\\uf900-\\uffef-]";
const notOne = "must be one plain email address";

/**
 * One plain address such as `ada@example.com`: no display name, list, comment or quoting, because
 * parsers disagree about those and the one that disagrees sends the email to another person. An
 * internationalized domain is converted to its ASCII form (RFC 5891): the rest is ASCII.
 */
export const address = v.pipe(
  v.string("must be text"),
  v.maxLength(MAX_ADDRESS_LENGTH, `must have at most ${MAX_ADDRESS_LENGTH} characters`),
  v.regex(new RegExp(`^${atom}(\\.${atom})*@(${wide}+\\.)+${wide}+$`), notOne),
  v.transform(withAsciiDomain),
  v.maxLength(MAX_ADDRESS_LENGTH, `must have at most ${MAX_ADDRESS_LENGTH} characters`),
  v.regex(
    new RegExp(`^${atom}(\\.${atom})*@(${label}\\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])$`),
    notOne,
  ),
  v.check(
    (text) => text.indexOf("@") <= MAX_LOCAL_PART_LENGTH,
    `must have at most ${MAX_LOCAL_PART_LENGTH} characters before the @`,
  ),
);

/** Any runtime converts the host of a URL to ASCII. What it refuses stays as it is. */
function withAsciiDomain(text: string): string {
  const at = text.lastIndexOf("@") + 1;
  const domain = text.slice(at);
  // oxlint-disable-next-line no-control-regex -- ASCII is what it looks for
  if (/^[\u0000-\u007f]*$/.test(domain)) return text;
  return URL.canParse(`http://${domain}`)
    ? text.slice(0, at) + new URL(`http://${domain}`).hostname
    : text;
}

export type Mailbox = { name: string; address: string };

/**
 * A sender as `hello@example.com`, `Name <hello@example.com>` or with its name in quotes. The name
 * may not contain a quote.
 */
export const mailbox = v.pipe(
  oneLine(400),
  v.check((text) => !looksEncoded(text), "must not look like an encoded-word (RFC 2047)"),
  v.transform(parseMailbox),
  v.check((sender) => v.is(address, sender.address), 'must look like "Name <hello@example.com>"'),
);

export function parseMailbox(text: string): Mailbox {
  const named = /^(?:"([^<>"\\]*)"|([^<>"]*))\s*<([^<>]*)>$/.exec(text.trim());
  return named
    ? { name: (named[1] ?? named[2] ?? "").trim(), address: (named[3] ?? "").trim() }
    : { name: "", address: text.trim() };
}

/** As it is stored, and read by `parseMailbox` of each release: without quotes. */
export function formatMailbox(sender: Mailbox): string {
  return sender.name === "" ? sender.address : `${sender.name} <${sender.address}>`;
}

/** As a header has it: a name with other characters than atoms and spaces in quotes. */
export function quotedMailbox(sender: Mailbox): string {
  const needsQuotes = /[()<>[\]:;@\\,."]/.test(sender.name);
  if (!needsQuotes) return formatMailbox(sender);
  return `"${sender.name.replaceAll(/["\\]/g, String.raw`\$&`)}" <${sender.address}>`;
}
