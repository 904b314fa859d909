import * as v from "valibot";
import { loopback, required, wholeNumber } from "../../../lib/worker/variables.ts";
import { MAX_EMAIL_BYTES } from "../../rules/file.ts";
import { defineTransport } from "./definition.ts";
import { DOMAIN } from "./ehlo-name.ts";
import { countsAsSmtpFailure } from "./smtp-outcome.ts";

export type SmtpSettings = {
  host: string;
  port: number;
  security: "none" | "starttls" | "tls";
  credentials: { user: string; pass: string } | null;
  /** The name in EHLO. Null: nodemailer's own. */
  ehloName: string | null;
};

export const smtp = defineTransport({
  name: "smtp",
  variables: v.pipe(
    v.object({
      SMTP_HOST: required,
      SMTP_PORT: wholeNumber(587, 1, 65_535),
      SMTP_SECURITY: v.optional(
        v.picklist(["none", "starttls", "tls"], 'must be "none", "starttls" or "tls"'),
        "starttls",
      ),
      SMTP_USERNAME: v.optional(v.string(), ""),
      SMTP_PASSWORD: v.optional(v.string(), ""),
      SMTP_EHLO_NAME: v.optional(v.pipe(v.string(), v.regex(DOMAIN, "must be a domain name"))),
    }),
    v.forward(
      v.check(
        (variables) => variables.SMTP_SECURITY !== "none" || loopback.test(variables.SMTP_HOST),
        '"none" is for loopback hosts only',
      ),
      ["SMTP_SECURITY"],
    ),
    v.forward(
      v.check(
        (variables) => (variables.SMTP_USERNAME === "") === (variables.SMTP_PASSWORD === ""),
        "must be set together with SMTP_USERNAME",
      ),
      ["SMTP_PASSWORD"],
    ),
  ),
  notes: {
    SMTP_HOST: { meaning: "the SMTP server; as a variable or a secret", isRequired: true },
    SMTP_PORT: {
      meaning: "its port: 587 or another, but not 25, which Workers cannot reach",
    },
    SMTP_SECURITY: { meaning: "`starttls` or `tls`" },
    SMTP_USERNAME: { meaning: "with `SMTP_PASSWORD`", isSecret: true },
    SMTP_PASSWORD: { meaning: "with `SMTP_USERNAME`", isSecret: true },
    SMTP_EHLO_NAME: {
      meaning: "the name in EHLO; else the host of `PUBLIC_URL`, else the sender's domain",
    },
  },
  settings: ({ SMTP_USERNAME: user, SMTP_PASSWORD: pass, ...variables }): SmtpSettings => ({
    host: variables.SMTP_HOST,
    port: variables.SMTP_PORT,
    security: variables.SMTP_SECURITY,
    credentials: user === "" ? null : { user, pass },
    ehloName: variables.SMTP_EHLO_NAME ?? null,
  }),
  // The server announces its own limit as SIZE (RFC 1870), which is asked before each email.
  maxContentBytes: MAX_EMAIL_BYTES,
  rate: { variable: "SMTP_RATE_PER_SECOND", perSecond: 0 },
  idempotentForMs: null,
  countsAsFailure: countsAsSmtpFailure,
});
