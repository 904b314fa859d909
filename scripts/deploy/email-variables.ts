import {
  transportNames,
  transports,
  type TransportVariables,
} from "../../shared/email/rules/transports.ts";
import type { VariableNote } from "../../shared/email/transports/rules/definition.ts";
import { plain, secret, type Group } from "./variable.ts";

function noteEntries(notes: {
  readonly [Name in keyof TransportVariables]?: VariableNote;
}): [keyof TransportVariables, VariableNote][] {
  return Object.entries(notes) as [keyof TransportVariables, VariableNote][];
}

/** The variables of transports, and of what verifies their feedback and senders. */
export const emailGroups: Group[] = [
  {
    reader: "emailTransports",
    workers: ["api", "consumer"],
    variables: [
      plain(
        "EMAIL_TRANSPORTS",
        "no",
        `some of ${transportNames.join(", ")}, in the order in which they are tried`,
      ),
    ],
  },
  {
    reader: "transportRates",
    workers: ["api", "consumer"],
    variables: Object.values(transports).map(({ name, rate: { variable } }) =>
      plain(variable, "no", `emails per second of the whole fleet by \`${name}\`; 0 for no limit`),
    ),
  },
  {
    reader: "transportSettings",
    workers: ["consumer"],
    variables: Object.values(transports).flatMap(({ name, notes }) =>
      noteEntries(notes).map(([variable, { meaning, isSecret = false, isRequired = false }]) => ({
        name: variable,
        secret: isSecret,
        need: isRequired ? (`by ${name}` as const) : ("no" as const),
        meaning,
      })),
    ),
  },
  {
    reader: "resendWebhookSecret",
    workers: ["api"],
    variables: [
      secret(
        "WEBHOOK_SECRET_RESEND",
        "no",
        "signing secret of Resend's webhook to `POST /api/webhooks/resend`",
      ),
    ],
  },
  {
    reader: "sesTopic",
    workers: ["api"],
    variables: [
      plain(
        "SES_TOPIC_ARN",
        "no",
        "SNS topic that is confirmed, and may call `POST /api/webhooks/ses`",
      ),
    ],
  },
  {
    reader: "returnPathSettings",
    workers: ["api", "consumer"],
    variables: [
      plain(
        "BOUNCE_DOMAIN",
        "no",
        "domain of the Return-Path by `smtp`, which Email Routing hands to luna-consumer",
      ),
      secret(
        "BOUNCE_SECRET",
        "no",
        "signs Return-Paths, at least 32 characters; several, separated by spaces, to rotate",
      ),
    ],
  },
  {
    reader: "subscribedDomains",
    workers: ["api"],
    variables: [
      plain(
        "CLOUDFLARE_FEEDBACK_DOMAINS",
        "no",
        "senders' domains whose events come; a deployment makes it from `feedbackDomains`",
      ),
    ],
  },
  {
    reader: "dnsResolver",
    workers: ["api", "cron"],
    variables: [
      plain(
        "DNS_OVER_HTTPS_URL",
        "no",
        "the resolver that is asked for records of senders' domains",
      ),
    ],
  },
];
