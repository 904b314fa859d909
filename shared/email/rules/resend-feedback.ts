import * as v from "valibot";
import { cut } from "../../lib/base/cut.ts";
import { record } from "../../lib/worker/record.ts";
import { address, parseMailbox } from "./address.ts";
import { namesAddress } from "./hard-bounce.ts";
import { MAX_RECIPIENTS } from "./mailboxes.ts";
import type { AttemptDetail } from "./outcome.ts";
import { emailOfTag, type HandOverOf } from "./tag.ts";
import type { Feedback } from "./transitions.ts";

/**
 * What a provider or server reported about one email. `email` comes from our tag or Return-Path, if
 * the report has one; without it `providerId` names the email.
 */
export type ProviderReport = {
  feedback: Feedback;
  email: HandOverOf | null;
  providerId: string | null;
  /** The addresses that it names, in lower case; empty if it names none. */
  to: string[];
  /** Whether no email can arrive at that address, or its owner wants none. */
  suppress: "bounce" | "complaint" | null;
  detail: AttemptDetail;
};

const text = v.pipe(v.string(), v.maxLength(1_000));
/** An optional field of another shape counts as absent, so that the event is still read. */
const perhaps = <Schema extends v.GenericSchema>(schema: Schema) =>
  v.fallback(v.optional(schema), undefined);

/**
 * As documented at https://resend.com/docs/webhooks/body-parameters; tags come as a list or, in
 * older examples, as an object.
 */
const event = v.object({
  type: text,
  data: v.object({
    email_id: perhaps(text),
    to: perhaps(v.union([text, v.pipe(v.array(text), v.maxLength(MAX_RECIPIENTS))])),
    tags: perhaps(
      v.union([
        v.array(v.object({ name: v.string(), value: v.string() })),
        record(v.string(), v.unknown()),
      ]),
    ),
    bounce: perhaps(
      v.object({
        type: perhaps(text),
        message: perhaps(v.string()),
        diagnosticCode: perhaps(v.array(v.string())),
      }),
    ),
    failed: perhaps(v.object({ reason: perhaps(v.string()) })),
  }),
});

type Data = v.InferOutput<typeof event>["data"];

const meanings = new Map<string, Feedback>([
  ["email.sent", "accepted"],
  ["email.delivered", "delivered"],
  ["email.bounced", "bounced"],
  ["email.suppressed", "bounced"],
  ["email.complained", "complained"],
  ["email.failed", "failed"],
]);

const MAX_TEXT_LENGTH = 500;

/**
 * Reads an event of Resend.
 *
 * @returns null for an event that is not about the outcome of an email, such as that it was opened,
 *   or that has another shape
 */
export function resendReport(body: unknown): ProviderReport | null {
  const parsed = v.safeParse(event, body);
  if (!parsed.success) return null;
  const { type, data } = parsed.output;
  const feedback = isTransient(type, data) ? "transient-bounce" : meanings.get(type);
  if (feedback === undefined || data.email_id === undefined) return null;
  const detail: AttemptDetail = {
    transport: "resend",
    phase: "webhook",
    code: type,
    text: cut(data.bounce?.message ?? data.failed?.reason ?? type, MAX_TEXT_LENGTH),
  };
  return {
    feedback,
    email: emailOf(data),
    providerId: data.email_id,
    to: addressesOf(data),
    suppress: suppressionOf(type, data),
    detail,
  };
}

/** Of several it is those whom the text of the bounce names, if it names any. */
function addressesOf({ to = [], bounce }: Data): string[] {
  const all = [to].flat().map((one) => parseMailbox(one).address.toLowerCase());
  const bounced = [bounce?.message ?? "", ...(bounce?.diagnosticCode ?? [])].join("\n");
  const named = all.filter((one) => namesAddress(bounced, one));
  return named.length > 0 ? named : all;
}

function emailOf({ tags = [] }: Data): ProviderReport["email"] {
  const pairs = Array.isArray(tags)
    ? tags.map(({ name, value }) => [name, value] as const)
    : Object.entries(tags);
  return (
    pairs
      .map(([name, value]) => (typeof value === "string" ? emailOfTag(name, value) : null))
      .find((email) => email !== null) ?? null
  );
}

/** A full mailbox or an out-of-office answer bounces too, but may take the next email. */
const isTransient = (type: string, { bounce }: Data): boolean =>
  type === "email.bounced" && bounce?.type === "Transient";

/** Only `Permanent` is for good. A suppressed address has bounced or complained before. */
function suppressionOf(type: string, { bounce }: Data): ProviderReport["suppress"] {
  if (type === "email.complained") return "complaint";
  if (type === "email.suppressed") return "bounce";
  return type === "email.bounced" && bounce?.type === "Permanent" ? "bounce" : null;
}

/** An address that a provider puts on its list of suppressions, or takes from it, at a time. */
export type SuppressionReport = {
  change: "added" | "removed";
  address: string;
  reason: "bounce" | "complaint" | "manual";
  at: number;
};

/** https://resend.com/docs/webhooks/suppressions/added */
const suppressionEvent = v.object({
  type: v.picklist(["suppression.added", "suppression.removed"]),
  created_at: v.pipe(v.string(), v.transform(Date.parse), v.number()),
  data: v.object({ email: address, origin: perhaps(text) }),
});

/** Reads an event of Resend about its list of suppressions; null for any other. */
export function resendSuppression(body: unknown): SuppressionReport | null {
  const parsed = v.safeParse(suppressionEvent, body);
  if (!parsed.success) return null;
  const { type, created_at: at, data } = parsed.output;
  const { origin } = data;
  return {
    change: type === "suppression.added" ? "added" : "removed",
    address: data.email,
    reason: origin === "bounce" || origin === "complaint" ? origin : "manual",
    at,
  };
}
