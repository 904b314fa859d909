import * as v from "valibot";
import { loopback, required } from "../../../lib/worker/variables.ts";
import { contentOf, defineTransport } from "./definition.ts";
import { countsAsSesFailure } from "./ses-outcome.ts";

export type SesSettings = {
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
  configurationSet: string | null;
  endpoint: string;
};

export const MAX_SES_BYTES = 7 * 1_048_576;

const word = v.regex(/^[\u0021-\u007e]+$/, "must be one word");

export const ses = defineTransport({
  name: "ses",
  variables: v.pipe(
    v.object({
      SES_REGION: v.pipe(required, v.regex(/^[a-z]{2}(-[a-z]+)+-\d$/, "must be a region of AWS")),
      SES_ACCESS_KEY_ID: v.pipe(required, word),
      SES_SECRET_ACCESS_KEY: v.pipe(required, word),
      SES_CONFIGURATION_SET: v.optional(
        v.pipe(v.string(), v.regex(/^[\w-]{0,64}$/, "must be the name of a configuration set")),
        "",
      ),
      SES_ENDPOINT: v.optional(
        v.pipe(
          v.string(),
          v.url("must be a URL"),
          v.transform((url) => url.replace(/\/$/, "")),
        ),
      ),
    }),
    v.forward(
      v.check(
        ({ SES_ENDPOINT: url }) =>
          url === undefined || url.startsWith("https://") || loopback.test(new URL(url).hostname),
        "must be https, except on loopback",
      ),
      ["SES_ENDPOINT"],
    ),
  ),
  notes: {
    SES_REGION: { meaning: "region of Amazon SES, such as eu-west-1", isRequired: true },
    SES_ACCESS_KEY_ID: { meaning: "access key that may ses:SendEmail", isRequired: true },
    SES_SECRET_ACCESS_KEY: { meaning: "its secret", isSecret: true, isRequired: true },
    SES_CONFIGURATION_SET: { meaning: "configuration set of the emails, for feedback" },
    SES_ENDPOINT: { meaning: "where SES is reached, if not in its region" },
  },
  settings: (variables): SesSettings => ({
    region: variables.SES_REGION,
    accessKeyId: variables.SES_ACCESS_KEY_ID,
    secretAccessKey: variables.SES_SECRET_ACCESS_KEY,
    configurationSet: variables.SES_CONFIGURATION_SET || null,
    endpoint: variables.SES_ENDPOINT ?? `https://email.${variables.SES_REGION}.amazonaws.com`,
  }),
  // SES takes 40 MB (https://docs.aws.amazon.com/ses/latest/dg/quotas.html); the request holds each
  // byte several times.
  maxContentBytes: contentOf(MAX_SES_BYTES),
  // A new account outside the sandbox may send 14 emails per second
  // (https://docs.aws.amazon.com/ses/latest/dg/quotas.html).
  rate: { variable: "SES_RATE_PER_SECOND", perSecond: 14 },
  idempotentForMs: null,
  countsAsFailure: countsAsSesFailure,
});
