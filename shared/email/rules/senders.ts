import * as v from "valibot";
import { oneLine } from "../../lib/worker/one-line.ts";
import { address, type Mailbox } from "./address.ts";
import { looksEncoded } from "./encoded-word.ts";
import { transportNames, type TransportName } from "./transports.ts";

/** Who an email may come from besides `EMAIL_FROM`. Pure. */

/** The domain of an address, in lower case. */
const domainOf = (text: string): string => text.slice(text.lastIndexOf("@") + 1);

const withLowerDomain = (text: string): string =>
  text.slice(0, text.lastIndexOf("@") + 1) + domainOf(text).toLowerCase();

/** An address in the form in which senders are compared: in any case of letters of its domain. */
export const senderAddress = v.pipe(address, v.transform(withLowerDomain));

/** A domain in the same form: in ASCII and in lower case. */
export const senderDomain = v.pipe(
  v.string("must be text"),
  v.maxLength(253, "must have at most 253 characters"),
  v.rawTransform<string, string>(({ dataset, addIssue, NEVER }) => {
    const parsed = v.safeParse(senderAddress, `x@${dataset.value}`);
    if (parsed.success) return domainOf(parsed.output);
    addIssue({ message: "must be a domain such as example.com" });
    return NEVER;
  }),
);

/** The name of a sender. A mailbox is stored without quotes, so that it has none of these. */
export const senderName = v.pipe(
  oneLine(100),
  v.trim(),
  v.regex(/^[^<>"\\]*$/, String.raw`must not contain <, >, " or \ `.trim()),
  v.check((name) => !looksEncoded(name), "must not look like an encoded-word (RFC 2047)"),
);

const transport = v.picklist(
  transportNames,
  `must be one of ${transportNames.join(", ")}, or a list of them`,
);

/** One transport, or several in the order in which they are tried. */
export const transportOrder = v.pipe(
  v.union(
    [transport, v.array(transport)],
    `must be one of ${transportNames.join(", ")}, or a list of them`,
  ),
  v.transform((given): TransportName[] => (typeof given === "string" ? [given] : given)),
  v.check((names) => names.length > 0, "must name a transport"),
  v.check((names) => new Set(names).size === names.length, "must not name a transport twice"),
);

/** The sender that an email names. It is looked up when the email is accepted. */
export type NamedSender = Mailbox & { domain: string };

/** The name of the TXT record that verifies a domain. */
export const challengeName = (domain: string): string => `_sender-verification.${domain}`;

/** How a sender was verified. */
export const verifications = ["operator", "link", "dns"] as const;
export type Verification = (typeof verifications)[number];

/**
 * What the `from` of an email means: `EMAIL_FROM`, with its own name where the email gives none, or
 * a sender to look up.
 *
 * @param standard `EMAIL_FROM`
 */
export function senderOf(given: Mailbox, standard: Mailbox): "standard" | NamedSender {
  const wanted = withLowerDomain(given.address);
  const own = v.safeParse(senderAddress, standard.address);
  return own.success && own.output === wanted
    ? "standard"
    : { name: given.name, address: wanted, domain: domainOf(wanted) };
}
