import type { KeyedRequest } from "../database/answered-requests.ts";
import { writeDatabase, type WriteFailure } from "../database/write.ts";
import type { Failure } from "../http/failure.ts";
import { sha256Hex } from "../lib/base/hash.ts";
import { fail, ok, type Result } from "../lib/base/result.ts";
import { brandOf } from "./brand.ts";
import { lookUpTxt } from "./dns.ts";
import { notify } from "./notify.ts";
import { newEmail, SYSTEM_TENANT, type Outbox } from "./outbox.ts";
import { hasRecord } from "./rules/sender-check.ts";
import { challengeName, type Verification } from "./rules/senders.ts";
import { dnsResolver, publicUrl, sender, type EmailVariables } from "./settings.ts";
import * as store from "./sql/pending-senders.ts";
import { findSender, type StoredSender } from "./sql/senders.ts";
import { automaticEmail, type ReadTemplates } from "./templates/named.ts";

/**
 * Senders that tenants make. An address is verified by a link in an email to it, a domain by a TXT
 * record of its DNS. Until then no email may name it.
 */

const TOKEN_BYTES = 32;
const randomText = (): string =>
  crypto
    .getRandomValues(new Uint8Array(TOKEN_BYTES))
    .toBase64({ alphabet: "base64url", omitPadding: true });

/** Of an address there is none. */
export const newChallenge = (): string => `sender-verification=${randomText()}`;

type Shared = {
  outbox: Outbox;
  env: EmailVariables;
  readTemplates: ReadTemplates;
  now: number;
};
type VerifyFailure = WriteFailure | Failure;

/** A link to an address, with the email that brings it. */
type NewLink = store.Link & { emailId: string; accepted: () => void };

async function newLink(
  { outbox, env, readTemplates, now }: Shared,
  { identity, tenant }: Pick<StoredSender, "identity" | "tenant">,
): Promise<Result<NewLink, Failure>> {
  const from = sender(env);
  if (!from.ok) return from;
  const url = publicUrl(env);
  if (!url.ok) return url;
  const token = randomText();
  const tokenHash = await sha256Hex(token);
  const data = {
    account: tenant.replace(/^user:/, ""),
    address: identity,
    link: `${url.value}/verify-sender/${token}`,
  };
  const fill = await automaticEmail(readTemplates, "sender-verification", brandOf(env));
  const email = {
    tenant: SYSTEM_TENANT,
    from: from.value,
    to: "",
    onUnknown: "resend" as const,
    ...fill(data),
  };
  const { id, statements, accepted } = newEmail(outbox.db, email, now, store.linkSource(tokenHash));
  return ok({ tokenHash, email: statements, emailId: id, accepted });
}

async function notifyOf(
  { outbox, now }: Shared,
  { emailId: id, accepted }: NewLink,
): Promise<void> {
  accepted();
  await notify(outbox, [{ id, generation: 1, dueAt: now }], now);
}

const refusals: Record<Exclude<store.PendingSaved["tag"], "saved">, Failure> = {
  absent: { tag: "not-found", what: "sender" },
  taken: { tag: "conflict", field: "address" },
  held: { tag: "conflict", field: "domain" },
  "too-many": {
    tag: "wrong-state",
    detail: `A tenant has at most ${store.MAX_SENDERS_OF_TENANT} senders of its own.`,
  },
  "too-many-links": {
    tag: "wrong-state",
    detail:
      `A tenant is sent at most ${store.MAX_LINKS_A_DAY} links within 24 hours. ` +
      "Try again tomorrow.",
  },
};

/** Makes a sender of a tenant. Its address gets a link; its domain needs a record. */
export async function requestVerification(
  shared: Shared,
  pending: Pick<StoredSender, "id" | "identity" | "tenant" | "name" | "challenge">,
  keyed: KeyedRequest | null,
): Promise<Result<StoredSender, VerifyFailure>> {
  const { db } = shared.outbox;
  const link = pending.challenge === null ? await newLink(shared, pending) : ok(null);
  if (!link.ok) return link;
  const saved = await writeDatabase(
    () => store.insertPending(db, pending, link.value, { now: shared.now, keyed }),
    async (): Promise<store.PendingSaved | null> => {
      const found = await findSender(db, pending);
      // The sweep notifies of its email.
      return found === null ? null : { tag: "saved", sender: found, isNotified: false };
    },
  );
  if (!saved.ok) return saved;
  if (saved.value.tag === "taken" || saved.value.tag === "held")
    return fail({ tag: "conflict", field: pending.challenge === null ? "address" : "domain" });
  if (saved.value.tag !== "saved") return fail(refusals[saved.value.tag]);
  if (saved.value.isNotified && link.value !== null) await notifyOf(shared, link.value);
  return ok(saved.value.sender);
}

/** Looks now whether a sender is verified: sends another link, or asks the DNS. */
export async function verifyNow(
  shared: Shared,
  owned: { id: string; tenant: string },
): Promise<Result<StoredSender, VerifyFailure>> {
  const { db } = shared.outbox;
  const begun = await writeDatabase(() => store.beginLookUp(db, owned, shared.now));
  if (!begun.ok) return begun;
  if (begun.value === null) return fail(refusals.absent);
  const { sender: found, waitMs } = begun.value;
  if (found.verifiedAt !== null) return ok(found);
  if (found.challenge === null) return await sendLinkAgain(shared, { ...owned, ...found });
  if (waitMs > 0) return fail({ tag: "rate-limited", retryAfterMs: waitMs });
  return await askDns(shared, { ...found, challenge: found.challenge });
}

async function sendLinkAgain(
  shared: Shared,
  found: StoredSender,
): Promise<Result<StoredSender, VerifyFailure>> {
  const { db } = shared.outbox;
  const link = await newLink(shared, found);
  if (!link.ok) return link;
  const saved = await writeDatabase(() => store.saveLink(db, found, link.value, shared.now));
  if (!saved.ok) return saved;
  if (saved.value.tag === "held") return fail(refusals.taken);
  if (saved.value.tag !== "saved") return fail(refusals[saved.value.tag]);
  if (saved.value.isNotified) await notifyOf(shared, link.value);
  return ok(saved.value.sender);
}

async function askDns(
  { outbox: { db }, env, now }: Shared,
  found: StoredSender & { challenge: string },
): Promise<Result<StoredSender, VerifyFailure>> {
  const resolver = dnsResolver(env);
  if (!resolver.ok) return resolver;
  const name = challengeName(found.identity);
  const records = await lookUpTxt(resolver.value, name);
  if (records === null) return fail({ tag: "unavailable", dependency: "DNS resolver" });
  if (!hasRecord(records, found.challenge))
    return fail({
      tag: "wrong-state",
      detail: `There is no TXT record ${name} with ${found.challenge} yet. DNS may take some time.`,
    });
  const isVerified = async (): Promise<StoredSender | null> => {
    const stored = await findSender(db, found);
    return stored?.verifiedBy === ("dns" satisfies Verification) ? stored : null;
  };
  const saved = await writeDatabase(
    async () => (await store.saveVerifiedDomain(db, found, now)) ?? (await isVerified()),
    isVerified,
  );
  if (!saved.ok) return saved;
  return saved.value === null ? fail(refusals.held) : ok(saved.value);
}
