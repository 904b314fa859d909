import { Buffer } from "node:buffer";
import { AwsV4Signer } from "aws4fetch";
import { describeError } from "../../lib/worker/log.ts";
import { feedbackTag } from "../rules/tag.ts";
import { compose } from "./compose.ts";
import { jsonOf } from "./json-answer.ts";
import { noSesAnswer, sesCannot, sesOutcome } from "./rules/ses-outcome.ts";
import { MAX_SES_BYTES, type SesSettings } from "./rules/ses.ts";
import { deadlineOf, HAND_OVER_MS, type OutgoingEmail, type Transport } from "./transport.ts";

/**
 * Hands emails to Amazon SES as their own bytes, by API v2
 * (https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html). SES replaces
 * Message-ID and Date. The names of recipients are in the bytes; the destination has addresses.
 */
export function sesTransport(settings: SesSettings): Transport {
  return {
    deadlineMs: HAND_OVER_MS,
    async send(email) {
      const { envelope, size, open } = await compose(email);
      if (size > MAX_SES_BYTES) return sesCannot(`the email has more than ${MAX_SES_BYTES} bytes`);
      const bytes = Buffer.concat((await open().toArray()) as Uint8Array[]);
      // One signal for the answer and its body: a provider may stop in the middle.
      const signal = AbortSignal.timeout(deadlineOf(email));
      try {
        const request = await signed(settings, requestBody(email, envelope.to, bytes, settings));
        // A redirect would send the email to another host.
        const response = await fetch(request.url, { ...request, redirect: "manual", signal });
        const body = await jsonOf(response);
        return sesOutcome(response.status, response.headers.get("x-amzn-ErrorType"), body);
      } catch (error) {
        return noSesAnswer(describeError(error).message);
      }
    },
  };
}

function requestBody(
  email: OutgoingEmail,
  to: readonly string[],
  bytes: Buffer,
  { configurationSet }: SesSettings,
): string {
  const { name, value } = feedbackTag(email);
  return JSON.stringify({
    // The bytes have the sender's name. Here it would need an encoded-word.
    FromEmailAddress: email.from.address,
    Destination: { ToAddresses: to },
    Content: { Raw: { Data: bytes.toString("base64") } },
    EmailTags: [{ Name: name, Value: value }],
    ...(configurationSet !== null && { ConfigurationSetName: configurationSet }),
  });
}

type Signed = { url: string; method: string; headers: Headers; body: string };

/** Signature Version 4. */
async function signed(
  { region, accessKeyId, secretAccessKey, endpoint }: SesSettings,
  body: string,
): Promise<Signed> {
  const url = `${endpoint}/v2/email/outbound-emails`;
  const headers = { "Content-Type": "application/json" };
  const signer = new AwsV4Signer({
    method: "POST",
    url,
    headers,
    body,
    region,
    service: "ses",
    accessKeyId,
    secretAccessKey,
  });
  const { headers: signedHeaders } = await signer.sign();
  return { url, method: "POST", headers: signedHeaders, body };
}
