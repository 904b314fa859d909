import * as v from "valibot";
import { ok, type Result } from "../lib/base/result.ts";
import { readVariables, type Misconfigured, type VariablesOf } from "../lib/worker/variables.ts";
import type { ReturnPathSettings } from "./rules/return-path.ts";
import { DOMAIN } from "./transports/rules/ehlo-name.ts";

/** The settings of feedback by SMTP and by Cloudflare's Email Service. */

/** A path has at most 254 octets (RFC 5321, 4.5.3.1.3), 63 of them before the domain. */
const MAX_BOUNCE_DOMAIN = 191;

const bounceVariables = v.pipe(
  v.object({
    BOUNCE_DOMAIN: v.optional(
      v.union(
        [
          v.literal(""),
          v.pipe(v.string(), v.regex(DOMAIN), v.maxLength(MAX_BOUNCE_DOMAIN), v.toLowerCase()),
        ],
        "must be a domain name such as bounces.example.com",
      ),
      "",
    ),
    BOUNCE_SECRET: v.optional(
      v.pipe(
        v.string(),
        v.transform((text) => text.split(" ").filter((one) => one !== "")),
        v.everyItem(
          (one) => one.length >= 32,
          "must have at least 32 characters, or be several such separated by spaces",
        ),
      ),
      "",
    ),
  }),
  v.forward(
    v.check(
      (given) => given.BOUNCE_DOMAIN === "" || given.BOUNCE_SECRET.length > 0,
      "needs BOUNCE_SECRET",
    ),
    ["BOUNCE_DOMAIN"],
  ),
  v.forward(
    v.check(
      (given) => given.BOUNCE_DOMAIN !== "" || given.BOUNCE_SECRET.length === 0,
      "is for nothing without BOUNCE_DOMAIN",
    ),
    ["BOUNCE_SECRET"],
  ),
);

const domainVariables = v.object({
  CLOUDFLARE_FEEDBACK_DOMAINS: v.optional(
    v.pipe(
      v.string(),
      v.transform((text) =>
        text
          .split(",")
          .map((domain) => domain.trim().toLowerCase())
          .filter((domain) => domain !== ""),
      ),
      v.everyItem(
        (domain) => DOMAIN.test(domain),
        "must be domain names such as example.com, separated by commas",
      ),
    ),
    "",
  ),
});

export type FeedbackVariables = VariablesOf<typeof bounceVariables> &
  VariablesOf<typeof domainVariables>;

/** Where mail servers report what became of an email by SMTP; null if that is not set. */
export function returnPathSettings(
  env: VariablesOf<typeof bounceVariables>,
): Result<ReturnPathSettings | null, Misconfigured> {
  const variables = readVariables(bounceVariables, env);
  if (!variables.ok) return variables;
  const { BOUNCE_DOMAIN: domain, BOUNCE_SECRET: secrets } = variables.value;
  return ok(domain === "" ? null : { domain, secrets });
}

/** The senders' domains whose events Cloudflare's Email Service puts on the queue. */
export function subscribedDomains(
  env: VariablesOf<typeof domainVariables>,
): Result<string[], Misconfigured> {
  const variables = readVariables(domainVariables, env);
  return variables.ok ? ok(variables.value.CLOUDFLARE_FEEDBACK_DOMAINS) : variables;
}
