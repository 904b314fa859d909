import * as v from "valibot";
import { countsAsCloudflareFailure } from "./cloudflare-outcome.ts";
import { defineTransport } from "./definition.ts";

/** Cloudflare's Email Service needs a binding and no variables. */
export const cloudflare = defineTransport({
  name: "cloudflare",
  variables: v.object({}),
  notes: {},
  settings: () => null,
  rate: { variable: "CLOUDFLARE_RATE_PER_SECOND", perSecond: 0 },
  idempotentForMs: null,
  countsAsFailure: countsAsCloudflareFailure,
});
