import * as v from "valibot";
import { loopback, required } from "../../../lib/worker/variables.ts";
import { MAX_EMAIL_BYTES } from "../../rules/file.ts";
import { contentOf, defineTransport } from "./definition.ts";
import { countsAsResendFailure } from "./resend-outcome.ts";

export type ResendSettings = { apiKey: string; baseUrl: string };

const HOUR_MS = 3_600_000;

export const resend = defineTransport({
  name: "resend",
  variables: v.pipe(
    v.object({
      RESEND_API_KEY: v.pipe(required, v.regex(/^[\u0021-\u007e]+$/, "must be one word")),
      RESEND_BASE_URL: v.optional(
        v.pipe(
          v.string(),
          v.url("must be a URL"),
          v.transform((url) => url.replace(/\/$/, "")),
        ),
        "https://api.resend.com",
      ),
    }),
    v.forward(
      v.check(
        ({ RESEND_BASE_URL: url }) =>
          url.startsWith("https://") || loopback.test(new URL(url).hostname),
        "must be https, except on loopback",
      ),
      ["RESEND_BASE_URL"],
    ),
  ),
  notes: {
    RESEND_API_KEY: { meaning: "API key of Resend", isSecret: true, isRequired: true },
    RESEND_BASE_URL: { meaning: "where Resend is reached" },
  },
  settings: ({ RESEND_API_KEY: apiKey, RESEND_BASE_URL: baseUrl }): ResendSettings => ({
    apiKey,
    baseUrl,
  }),
  // https://resend.com/docs/api-reference/emails/send-email: 40 MB once attachments are encoded.
  maxContentBytes: Math.min(contentOf(40_000_000), MAX_EMAIL_BYTES),
  // Resend allows a new account five requests per second.
  rate: { variable: "RESEND_RATE_PER_SECOND", perSecond: 5 },
  // https://resend.com/docs/dashboard/emails/idempotency-keys
  idempotentForMs: 24 * HOUR_MS,
  countsAsFailure: countsAsResendFailure,
});
