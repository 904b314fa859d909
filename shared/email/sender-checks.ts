import { fanOut } from "../lib/worker/fan-out.ts";
import { log } from "../lib/worker/log.ts";
import { isSent } from "./automatic-emails.ts";
import { brandOf } from "./brand.ts";
import { lookUpTxt } from "./dns.ts";
import { notify } from "./notify.ts";
import { newEmail, SYSTEM_TENANT, type Outbox } from "./outbox.ts";
import { afterCheck, type Checked } from "./rules/sender-check.ts";
import { challengeName } from "./rules/senders.ts";
import { sender, type EmailVariables } from "./settings.ts";
import {
  domainsToCheck,
  ownerOfSender,
  saveChecks,
  type VerifiedDomain,
} from "./sql/sender-checks.ts";
import { templatesInDatabase } from "./templates/in-database.ts";
import { automaticEmail } from "./templates/named.ts";

/**
 * Checks whether the DNS still has the records of verified domains. One whose record is gone for
 * days may have another owner by now, so it is verified no longer, and its tenant gets an email.
 */

type Shared = { outbox: Outbox; env: EmailVariables; resolver: string; now: number };

/** @returns how many were checked, and how many of them are verified no longer */
export async function checkDomains(
  shared: Shared,
  limit: number,
): Promise<{ checked: number; unverified: number }> {
  const { outbox, resolver, now } = shared;
  const domains = await domainsToCheck(outbox.db, now, limit);
  if (domains.length === 0) return { checked: 0, unverified: 0 };
  const results = await fanOut(domains, async (domain) => {
    const records = await lookUpTxt(resolver, challengeName(domain.identity));
    return { domain, checked: afterCheck(domain, records, now) };
  });
  const kept = results.filter(({ checked }) => !checked.isOver);
  await saveChecks(
    outbox.db,
    kept.map(({ checked }) => checked),
    [],
    now,
  );
  const over = results.filter(({ checked }) => checked.isOver);
  for (const { domain, checked } of over) await unverify(shared, domain, checked);
  return { checked: domains.length, unverified: over.length };
}

async function unverify(
  { outbox, env, now }: Shared,
  { id, identity }: VerifiedDomain,
  checked: Checked,
): Promise<void> {
  const email = await notice(outbox.db, env, identity, { checked, now });
  const isAccepted = await saveChecks(outbox.db, [checked], email?.statements ?? [], now);
  log("warn", "sender.unverified", { senderId: id, notified: isAccepted });
  if (email === null || !isAccepted) return;
  email.accepted();
  await notify(outbox, [{ id: email.id, generation: 1, dueAt: now }], now);
}

/** @returns null if it is switched off, or if no sender is configured */
async function notice(
  db: D1Database,
  env: EmailVariables,
  domain: string,
  { checked, now }: { checked: Checked; now: number },
): Promise<ReturnType<typeof newEmail> | null> {
  const from = sender(env);
  if (!from.ok || !isSent(env, "sender-unverified")) return null;
  const data = { domain, record: challengeName(domain) };
  const render = await automaticEmail(templatesInDatabase(db), "sender-unverified", brandOf(env));
  const message = {
    tenant: SYSTEM_TENANT,
    from: from.value,
    to: "",
    // A second copy does less harm than none.
    onUnknown: "resend" as const,
    ...render(data),
  };
  return newEmail(db, message, now, ownerOfSender(checked));
}
