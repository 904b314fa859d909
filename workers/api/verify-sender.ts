import { insertAuditIf } from "../../shared/database/audit-log.ts";
import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import { brandOf } from "../../shared/email/brand.ts";
import {
  findByToken,
  saveVerifiedAddress,
  whileUnverified,
  type SenderOfLink,
} from "../../shared/email/sql/pending-senders.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { sha256Hex } from "../../shared/lib/base/hash.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";
import { currentRequestId } from "../../shared/lib/worker/trace.ts";
import type { ApiEnv } from "../env.ts";
import { hashed } from "./audit.ts";
import type { Handler } from "./call.ts";
import { escaped, formPage } from "./page.ts";

type Found = SenderOfLink & { tokenHash: string };

/** Asks first: scanners and previews follow links and must not confirm. */
export const askToVerifySender: Handler<"askToVerifySender"> = async ({ params, env, now }) => {
  const found = await senderOfToken(env, params.token, now);
  if (!found.ok) return found;
  if (found.value.verifiedAt !== null) return verifiedPage(env);
  const { identity, tenant } = found.value;
  return formPage(
    "Confirm a sender",
    `<p>The account <strong>${escaped(tenant.replace(/^user:/, ""))}</strong> will send emails as
<strong>${escaped(identity)}</strong>. If you do not know this account, close this page.</p>
<form method="post"><button>Confirm</button></form>`,
    brandOf(env),
  );
};

/** A repeat gets the same page. */
export const confirmSender: Handler<"confirmSender"> = async ({ params, env, operation, now }) => {
  const found = await senderOfToken(env, params.token, now);
  if (!found.ok) return found;
  const { tokenHash, identity, tenant, verifiedAt } = found.value;
  if (verifiedAt !== null) return verifiedPage(env);
  // The path is without the token, which is a secret.
  const entry = {
    id: crypto.randomUUID(),
    at: now,
    actor: tenant,
    operation: operation.id,
    path: operation.path,
    requestId: currentRequestId() ?? "",
    status: 200,
    changes: [{ field: "sender", to: await hashed(identity) }],
  };
  const along = [insertAuditIf(env.DB, entry, whileUnverified(tokenHash, now))];
  const write = async (): Promise<true> => {
    await saveVerifiedAddress(env.DB, tokenHash, along, now);
    return true;
  };
  const written = await writeDatabase(write, async () =>
    (await findByToken(env.DB, tokenHash, now))?.verifiedAt === now ? true : null,
  );
  if (!written.ok) return written;
  // Deleted or replaced since it was read, confirmed by another request, or the tenant suspended.
  const left = await senderOfToken(env, params.token, now);
  return left.ok ? verifiedPage(env) : left;
};

/** A suspended tenant confirms nothing. The link works again once the suspension ends. */
async function senderOfToken(
  env: ApiEnv,
  token: string,
  now: number,
): Promise<Result<Found, Failure>> {
  const tokenHash = await sha256Hex(token);
  const found = await readDatabase(env, () => findByToken(env.DB, tokenHash, now));
  if (!found.ok) return found;
  if (found.value === null) return fail({ tag: "not-found", what: "link" });
  const { suspended, verifiedAt } = found.value;
  return suspended && verifiedAt === null
    ? fail({ tag: "account-suspended" })
    : ok({ ...found.value, tokenHash });
}

async function verifiedPage(env: ApiEnv): Promise<Result<Response, never>> {
  return await formPage(
    "The sender is confirmed",
    "<p>The account may send emails from this address.</p>",
    brandOf(env),
  );
}
