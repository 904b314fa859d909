import * as v from "valibot";
import { countsAsCloudflareFailure } from "./cloudflare-outcome.ts";
import { contentOf, defineTransport } from "./definition.ts";

/** Cloudflare's Email Service needs a binding and no variables. */
export const cloudflare = defineTransport({
  name: "cloudflare",
  variables: v.object({}),
  notes: {},
  settings: () => null,
  // https://developers.cloudflare.com/email-service/platform/limits/: 5 MiB a message.
  maxContentBytes: contentOf(5 * 1_048_576),
  rate: { variable: "CLOUDFLARE_RATE_PER_SECOND", perSecond: 0 },
  idempotentForMs: null,
  countsAsFailure: countsAsCloudflareFailure,
});
