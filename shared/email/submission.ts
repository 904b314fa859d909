import * as v from "valibot";
import type { Failure } from "../http/failure.ts";
import { fail, ok, type Result } from "../lib/base/result.ts";
import { validate, type FieldError } from "../lib/worker/validate.ts";
import { brandOf, type Brand } from "./brand.ts";
import { SYSTEM_TENANT, type Sender, type Submission } from "./outbox.ts";
import { formatMailbox, parseMailbox } from "./rules/address.ts";
import { checkHeaders } from "./rules/custom-headers.ts";
import { bytesOf, MAX_TEXTS_BYTES } from "./rules/large-files.ts";
import { MAX_RECIPIENTS } from "./rules/mailboxes.ts";
import { senderOf } from "./rules/senders.ts";
import { wrongTestRecipients } from "./rules/test-recipients.ts";
import {
  countPlaceholders,
  MAX_PLACEHOLDERS,
  UNSUBSCRIBE_PLACEHOLDER,
} from "./rules/unsubscribe-placeholder.ts";
import {
  emailRequest,
  isNamed,
  messageOf,
  type EmailMessage,
  type EmailRequest,
  type Given,
} from "./schemas.ts";
import { sender, unsubscribeSettings, type EmailVariables } from "./settings.ts";
import { templateName } from "./templates/rules/name.ts";
import { offersUnsubscribe } from "./unsubscribe.ts";

/** Who sends it; `from` is up to the email. */
export type Who = Omit<Sender, "from" | "named">;

/**
 * Checks an email and renders it: the same for HTTP, RPC and queue.
 *
 * @param input what `POST /api/emails` takes
 * @returns `invalid` with the fields that are wrong, or `misconfigured` with the variable that this
 *   email would need
 */
export function submissionOf(
  env: EmailVariables,
  input: unknown,
  who: Who,
  given: Given,
): Result<Submission, Extract<Failure, { tag: "invalid" | "misconfigured" }>> {
  const request = validate(emailRequest, input);
  return request.ok ? submissionFrom(env, request.value, who, given) : request;
}

/** The names of stored templates that emails, which nothing has checked, may use. */
export function templatesIn(inputs: readonly unknown[]): string[] {
  const names = inputs.flatMap((input) =>
    typeof input === "object" && input !== null && "template" in input ? [input.template] : [],
  );
  return [...new Set(names)].filter((name): name is string => v.is(templateName, name));
}

/** The same for a request that was validated already. */
export function submissionFrom(
  env: EmailVariables,
  request: EmailRequest,
  who: Who,
  given: Given,
): Result<Submission, Extract<Failure, { tag: "invalid" | "misconfigured" }>> {
  const brand = brandOf(env);
  const message = messageOf(request, brand, given);
  if (!message.ok) return message;
  const errors = checkFields(message.value, brand, who.tenant);
  if (errors.length > 0) return fail({ tag: "invalid", errors });
  const links = offersUnsubscribe(message.value.category) ? unsubscribeSettings(env) : ok(null);
  if (!links.ok) return links;
  const standard = sender(env);
  if (!standard.ok) return standard;
  return ok({
    request,
    message: message.value,
    sender: { ...who, ...fromOf(request, standard.value) },
  });
}

/** @param standard `EMAIL_FROM`, which needs no look-up */
function fromOf({ from }: EmailRequest, standard: string): Pick<Sender, "from" | "named"> {
  if (from === undefined) return { from: standard, named: null };
  const given = parseMailbox(from);
  const own = parseMailbox(standard);
  const named = senderOf(given, own);
  return named === "standard"
    ? { from: formatMailbox({ ...own, name: given.name || own.name }), named: null }
    : { from: formatMailbox(named), named };
}

const tooMany = {
  path: "to",
  message: `must have at most ${MAX_RECIPIENTS} recipients together with cc and bcc`,
};
const tooLong = {
  message: `must have at most ${MAX_TEXTS_BYTES} bytes, HTML and text together`,
};
const isTooLong = (html = "", text = ""): boolean =>
  (html.length + text.length) * 3 > MAX_TEXTS_BYTES &&
  bytesOf(html) + bytesOf(text) > MAX_TEXTS_BYTES;
const wrongTests = {
  mixed: { path: "to", message: "must not mix recipients of tests (luna.test) with others" },
  unknown: {
    path: "to",
    message: "must be delivered, bounced, complained or refused at luna.test, as in delivered+1",
  },
};
/** The link would unsubscribe one recipient on behalf of another. */
const oneOnly = { path: "to", message: "must be one recipient, if there is a link to unsubscribe" };

const noLink = {
  path: "category",
  message: `must be notification or marketing, because the email has ${UNSUBSCRIBE_PLACEHOLDER}`,
};
const tooManyLinks = {
  path: "html",
  message: `must have ${UNSUBSCRIBE_PLACEHOLDER} at most ${MAX_PLACEHOLDERS} times, with text`,
};

/** What is wrong between fields, and with what only this Luna refuses. */
function checkFields(
  { html, text, attachments = [], headers = {}, category, recipients = [] }: EmailMessage,
  { emailIdHeader }: Brand,
  tenant: string,
): FieldError[] {
  const hasLink = offersUnsubscribe(category);
  // In an email of Luna's own only a name has one, such as that of a heartbeat.
  const links = tenant === SYSTEM_TENANT ? 0 : countPlaceholders({ html, text });
  const ids = attachments.map(({ contentId }) => contentId);
  // The size of an email counts each file once.
  const files = attachments.map((one) => (isNamed(one) ? one.id : null));
  const tests = wrongTestRecipients(recipients);
  return [
    ...(isTooLong(html, text) ? [{ ...tooLong, path: html === undefined ? "text" : "html" }] : []),
    ...(tests === null ? [] : [wrongTests[tests]]),
    ...(recipients.length > MAX_RECIPIENTS ? [tooMany] : []),
    ...(hasLink && recipients.length > 1 ? [oneOnly] : []),
    ...(links > 0 && !hasLink ? [noLink] : []),
    ...(links > MAX_PLACEHOLDERS ? [tooManyLinks] : []),
    ...ids.flatMap((id, n) => {
      const path = `attachments.${n}.contentId`;
      if (id === undefined) return [];
      if (html === undefined) return [{ path, message: "is for an email with HTML" }];
      return ids.indexOf(id) === n ? [] : [{ path, message: "is there twice" }];
    }),
    ...files.flatMap((id, n) =>
      id === null || files.indexOf(id) === n
        ? []
        : [{ path: `attachments.${n}.id`, message: "is named twice" }],
    ),
    ...checkHeaders(headers, { hasLink, idHeader: emailIdHeader }),
  ];
}
