import * as v from "valibot";
import {
  senderAddress,
  senderDomain,
  senderName,
  transportOrder,
  verifications,
} from "../email/rules/senders.ts";
import { time } from "../http/time.ts";
import { named } from "../lib/worker/named.ts";

/** What the operations of operators' senders and of tenants' senders share. */

const senderId = v.pipe(v.string(), v.regex(/^snd_[0-9a-f]{32}$/));
export const senderParams = { senderId: { schema: senderId, names: "sender" } };

/**
 * `tenant`: absent if each tenant may use it. `transport`: in the order in which they are tried;
 * absent if they are as configured. `record`, `linkExpiresAt`: only while it is pending.
 */
export const senderSchema = named("Sender", {
  id: v.string(),
  address: v.optional(v.string()),
  domain: v.optional(v.string()),
  tenant: v.optional(v.string()),
  name: v.optional(v.string()),
  transport: v.optional(v.array(v.string())),
  status: v.picklist(["pending", "verified"]),
  verified: v.optional(v.strictObject({ by: v.picklist(verifications), at: time })),
  record: v.optional(
    v.strictObject({ type: v.literal("TXT"), name: v.string(), value: v.string() }),
  ),
  linkExpiresAt: v.optional(time),
  createdAt: time,
  updatedAt: time,
});
export type SenderAnswer = v.InferOutput<typeof senderSchema>;

export const senderTenant = v.pipe(
  v.string("must be text"),
  v.regex(
    /^(admin|producer|user:[A-Za-z0-9][A-Za-z0-9_.-]{0,63})$/,
    "must be admin, producer or user:<id>",
  ),
);

type Identity = { address?: string | undefined; domain?: string | undefined };
const namesOne = ({ address, domain }: Identity): boolean =>
  address !== undefined || domain !== undefined;
const namesNotBoth = ({ address, domain }: Identity): boolean =>
  address === undefined || domain === undefined;
const NAMES_NONE = "is required, or a domain";
const NAMES_BOTH = "is for a sender without an address";

export const newSender = v.pipe(
  v.strictObject({
    address: v.optional(senderAddress),
    domain: v.optional(senderDomain),
    tenant: v.optional(senderTenant),
    name: v.optional(senderName),
    transport: v.optional(transportOrder),
  }),
  v.forward(
    v.check((given) => namesOne(given), NAMES_NONE),
    ["address"],
  ),
  v.forward(
    v.check((given) => namesNotBoth(given), NAMES_BOTH),
    ["domain"],
  ),
);

export const newOwnSender = v.pipe(
  v.strictObject({
    address: v.optional(senderAddress),
    domain: v.optional(senderDomain),
    name: v.optional(senderName),
  }),
  v.forward(
    v.check((given) => namesOne(given), NAMES_NONE),
    ["address"],
  ),
  v.forward(
    v.check((given) => namesNotBoth(given), NAMES_BOTH),
    ["domain"],
  ),
);
