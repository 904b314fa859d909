import { createVerify, X509Certificate } from "node:crypto";
import { LRUCache } from "lru-cache";
import * as v from "valibot";
import { countFeedback, takeReport } from "../../shared/email/feedback.ts";
import { sesReports } from "../../shared/email/rules/ses-feedback.ts";
import { isOfSns, signedText, snsMessage, type SnsMessage } from "../../shared/email/rules/sns.ts";
import { sesTopic } from "../../shared/email/settings.ts";
import type { Taken } from "../../shared/email/sql/feedback.ts";
import { readText } from "../../shared/http/body.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { fail, type Result } from "../../shared/lib/base/result.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import { outboundPolicy } from "../../shared/webhooks/settings.ts";
import type { ApiEnv } from "../env.ts";
import { json } from "./call.ts";

/** SNS takes messages of 256 KB. It is read before its signature is checked. */
const MAX_MESSAGE_BYTES = 300_000;
const MAX_CERTIFICATE_BYTES = 16_384;
const FETCH_TIMEOUT_MS = 5_000;

const badSignature = fail<Failure>({ tag: "bad-signature" });

/**
 * Takes a message of Amazon SNS about emails that SES sends. `SES_TOPIC_ARN` names the topic: an
 * operator who sets it confirms its subscription, and messages of any other topic are refused
 * before something is fetched.
 */
export async function takeSesMessage(
  env: ApiEnv,
  request: Request,
  now: number,
): Promise<Result<Response, Failure>> {
  const topic = sesTopic(env);
  if (!topic.ok) return fail({ tag: "not-found", what: "provider" });
  const policy = outboundPolicy(env);
  if (!policy.ok) return policy;
  const body = await readText(request, { limitBytes: MAX_MESSAGE_BYTES });
  if (!body.ok) return body;
  const message = messageOf(body.value);
  if (message === null || message.TopicArn !== topic.value) return badSignature;
  const trust = { topicArn: topic.value, ...policy.value };
  if (!isOfSns(message.SigningCertURL, trust)) return badSignature;
  const certificate = await certificateAt(message.SigningCertURL);
  if (certificate === null) return fail({ tag: "unavailable", dependency: "certificate of SNS" });
  if (!isSigned(message, certificate, now)) return badSignature;
  switch (message.Type) {
    case "SubscriptionConfirmation":
      return isOfSns(message.SubscribeURL, trust) ? await confirm(message) : badSignature;
    case "UnsubscribeConfirmation":
      log("warn", "email.ses_unsubscribed", {});
      return json({ taken: "ignored" });
    case "Notification":
      return await take(env, message, now);
  }
}

function messageOf(text: string): SnsMessage | null {
  try {
    const parsed = v.safeParse(snsMessage, JSON.parse(text));
    return parsed.success ? parsed.output : null;
  } catch {
    return null;
  }
}

/** SNS signs with few certificates, each for months. */
const certificates = new LRUCache<string, X509Certificate>({ max: 10, ttl: 86_400_000 });

async function certificateAt(url: string): Promise<X509Certificate | null> {
  const known = certificates.get(url);
  if (known !== undefined) return known;
  try {
    const signal = AbortSignal.timeout(FETCH_TIMEOUT_MS);
    const response = await fetch(url, { redirect: "manual", signal });
    if (response.status !== 200) throw new Error(`the certificate is answered ${response.status}`);
    const pem = await response.text();
    if (pem.length > MAX_CERTIFICATE_BYTES) throw new Error("the certificate is too large");
    const certificate = new X509Certificate(pem);
    certificates.set(url, certificate);
    return certificate;
  } catch (error) {
    log("warn", "email.sns_certificate_failed", describeError(error));
    return null;
  }
}

function isSigned(message: SnsMessage, certificate: X509Certificate, now: number): boolean {
  const [from, until] = [certificate.validFrom, certificate.validTo].map(Date.parse);
  if (from === undefined || until === undefined || now < from || now > until) return false;
  const verify = createVerify(message.SignatureVersion === "1" ? "RSA-SHA1" : "RSA-SHA256");
  verify.update(signedText(message));
  return verify.verify(certificate.publicKey, message.Signature, "base64");
}

/** Opens the link of a subscription to the topic that the operator has set. */
async function confirm({
  SubscribeURL: url,
}: Extract<SnsMessage, { Type: "SubscriptionConfirmation" }>): Promise<Result<Response, Failure>> {
  try {
    const signal = AbortSignal.timeout(FETCH_TIMEOUT_MS);
    const response = await fetch(url, { redirect: "manual", signal });
    await response.body?.cancel();
    if (response.status !== 200) throw new Error(`SNS answered ${response.status}`);
    log("info", "email.ses_subscribed", {});
    return json({ taken: "subscribed" });
  } catch (error) {
    log("warn", "email.ses_subscription_failed", describeError(error));
    return fail({ tag: "unavailable", dependency: "subscription of SNS" });
  }
}

async function take(
  env: ApiEnv,
  { MessageId: id, Message: text }: SnsMessage,
  now: number,
): Promise<Result<Response, Failure>> {
  const reports = reportsIn(text);
  if (reports.length === 0) countFeedback("ses", "ignored");
  let last: Taken | { taken: "ignored" } = { taken: "ignored" };
  for (const [n, report] of reports.entries()) {
    const messageId = n === 0 ? id : `${id}:${n}`;
    const taken = await takeReport(env.DB, { provider: "ses", messageId, report }, { now });
    if (!taken.ok) return taken;
    last = taken.value;
  }
  return json(last);
}

function reportsIn(text: string): ReturnType<typeof sesReports> {
  try {
    return sesReports(JSON.parse(text));
  } catch {
    return [];
  }
}
