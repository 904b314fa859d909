import type { KeyedRequest } from "../database/answered-requests.ts";
import { writeDatabase } from "../database/write.ts";
import { isSent } from "../email/automatic-emails.ts";
import { brandOf } from "../email/brand.ts";
import type { Outbox } from "../email/outbox.ts";
import { publicUrl, sender, type EmailVariables } from "../email/settings.ts";
import { automaticEmail, type ReadTemplates } from "../email/templates/named.ts";
import type { Failure } from "../http/failure.ts";
import { sha256Hex } from "../lib/base/hash.ts";
import { ok, type Result } from "../lib/base/result.ts";
import { newNotice, sendNotices, statementsOf, type AccountNotice } from "./notices.ts";
import type { InviterFacts } from "./rules/invitations.ts";
import * as store from "./sql/invitations.ts";

const TOKEN_BYTES = 32;

/** The link of an invitation, and the email that brings it; null if that is switched off. */
export type InvitationLink = { tokenHash: string; url: string; notice: AccountNotice | null };

type Links = {
  outbox: Outbox;
  env: EmailVariables;
  readTemplates: ReadTemplates;
  now: number;
};

export async function newInvitationLink(
  { outbox, env, readTemplates, now }: Links,
  { teamName, role, days }: { teamName: string; role: string; days: number },
): Promise<Result<InvitationLink, Failure>> {
  const base = publicUrl(env);
  if (!base.ok) return base;
  const token = crypto
    .getRandomValues(new Uint8Array(TOKEN_BYTES))
    .toBase64({ alphabet: "base64url", omitPadding: true });
  const tokenHash = await sha256Hex(token);
  const url = `${base.value}/invitations/${token}`;
  if (!isSent(env, "team-invitation")) return ok({ tokenHash, url, notice: null });
  const from = sender(env);
  if (!from.ok) return from;
  const data = { team: teamName, role, link: url, days };
  const render = await automaticEmail(readTemplates, "team-invitation", brandOf(env));
  const notice = newNotice(
    outbox.db,
    { from: from.value, source: store.invitationSource(tokenHash), now },
    render(data),
  );
  return ok({ tokenHash, url, notice });
}

/** Writes an invitation with its email. @returns null if the facts have changed */
export async function invite(
  { outbox, now, keyed }: Pick<Links, "outbox" | "now"> & { keyed: KeyedRequest | null },
  invitation: Omit<store.NewInvitation, "tokenHash">,
  facts: InviterFacts,
  { tokenHash, notice }: InvitationLink,
): Promise<Result<store.Invitation | null, Failure>> {
  const { db } = outbox;
  const saved = await writeDatabase(
    () =>
      store.saveInvitation(db, { ...invitation, tokenHash }, facts, {
        notice: statementsOf(notice),
        now,
        keyed,
      }),
    // The sweep notifies of its email.
    async () => {
      const found = await store.findSentInvitation(db, "token_hash", tokenHash, now);
      return found === null ? null : { invitation: found, isNotified: false };
    },
  );
  if (!saved.ok) return saved;
  if (saved.value === null) return ok(null);
  if (saved.value.isNotified) await sendNotices(outbox, [notice], now);
  return ok(saved.value.invitation);
}
