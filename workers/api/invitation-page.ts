import {
  denyReasonForAccepting,
  denyReasonForDeclining,
} from "../../shared/accounts/rules/invitations.ts";
import * as answers from "../../shared/accounts/sql/answered-invitations.ts";
import { tagsOfMember } from "../../shared/accounts/sql/team-members.ts";
import { insertAuditIf } from "../../shared/database/audit-log.ts";
import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import { brandOf } from "../../shared/email/brand.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { sha256Hex } from "../../shared/lib/base/hash.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";
import { currentRequestId } from "../../shared/lib/worker/trace.ts";
import type { ApiEnv } from "../env.ts";
import type { Handler } from "./call.ts";
import { decideAndWrite } from "./decide-and-write.ts";
import { readChoice } from "./form.ts";
import { escaped, formPage } from "./page.ts";
import { withPurge } from "./purging.ts";

const noLink: Failure = { tag: "not-found", what: "link" };

/** Asks first: scanners and previews follow links and must not accept. */
export const showInvitation: Handler<"showInvitation"> = async ({ params, env, now }) => {
  const found = await invitationOfToken(env, params.token, now);
  return found.ok ? await pageOf(env, found.value) : found;
};

/** What is no choice of the page changes nothing. A repeat gets the same page. */
export const answerInvitation: Handler<"answerInvitation"> = async (call) => {
  const { request, params, env, now } = call;
  const choice = await readChoice(request);
  const found = await invitationOfToken(env, params.token, now);
  if (!found.ok) return found;
  if (choice !== "accept" && choice !== "decline") return await pageOf(env, found.value);
  const { tokenHash } = found.value;
  const read = () => answers.findInvitation(env.DB, { by: "link", tokenHash }, now);
  const isAnswered = async () => ((await read())?.status === "open" ? null : (true as const));
  const reason = choice === "accept" ? denyReasonForAccepting : denyReasonForDeclining;
  const answered = await decideAndWrite(env, {
    read,
    denyReason: (facts) => {
      const denied = facts === null ? noLink : reason(facts);
      return denied?.tag === "not-found" ? noLink : denied;
    },
    write: async (facts): Promise<Result<true | null, Failure>> => {
      if (facts === null || facts.status !== "open") return ok(true);
      const along = [auditOf(call, facts)];
      if (choice === "decline")
        return await writeDatabase(
          () => answers.saveDecline(env.DB, facts.id, along, now),
          isAnswered,
        );
      const userId = facts.userId ?? "";
      return await withPurge(env, tagsOfMember(userId), (purgeId) =>
        writeDatabase(
          () => answers.saveAcceptance(env.DB, { ...facts, userId }, along, { purgeId, now }),
          isAnswered,
        ),
      );
    },
  });
  if (!answered.ok) return answered;
  const left = await invitationOfToken(env, params.token, now);
  return left.ok ? await pageOf(env, left.value) : left;
};

/** The entry in the audit log. Its path is without the token, which is a secret. */
function auditOf(
  { env, operation, now }: Parameters<Handler<"answerInvitation">>[0],
  { id, userId, teamId }: answers.FoundInvitation,
): D1PreparedStatement {
  const entry = {
    id: crypto.randomUUID(),
    at: now,
    actor: userId === null ? `invitation:${id}` : `user:${userId}`,
    operation: operation.id,
    path: operation.path,
    requestId: currentRequestId() ?? "",
    status: 200,
    changes: [{ field: "team", to: teamId }],
  };
  return insertAuditIf(env.DB, entry, answers.whileInvited(id, now));
}

type Found = answers.FoundInvitation & { tokenHash: string };

async function invitationOfToken(
  env: ApiEnv,
  token: string,
  now: number,
): Promise<Result<Found, Failure>> {
  const tokenHash = await sha256Hex(token);
  const found = await readDatabase(env, () =>
    answers.findInvitation(env.DB, { by: "link", tokenHash }, now),
  );
  if (!found.ok) return found;
  return found.value === null ? fail(noLink) : ok({ ...found.value, tokenHash });
}

const button = (choice: string, text: string): string =>
  `<p><button name="choice" value="${choice}">${text}</button></p>`;

async function pageOf(env: ApiEnv, found: Found): Promise<Result<Response, Failure>> {
  const { status, teamName, role, userId } = found;
  const brand = brandOf(env);
  const team = `<strong>${escaped(teamName)}</strong>`;
  switch (status) {
    case "open": {
      const asks = `<p>You are invited to the team ${team} with the role ${role}.</p>`;
      const body =
        userId === null
          ? `${asks}<p>There is no account with this address yet. Sign up with it, then open this
link again.</p><form method="post">${button("decline", "Decline")}</form>`
          : `${asks}<form method="post">${button("accept", "Accept")}${button("decline", "Decline")}
</form>`;
      return await formPage("An invitation", body, brand);
    }
    case "accepted":
      return await formPage("You have accepted", `<p>You are a member of ${team}.</p>`, brand);
    case "declined":
      return await formPage(
        "You have declined",
        `<p>You are no member of ${team} by this invitation.</p>`,
        brand,
      );
    case "revoked":
    case "expired":
      return fail(noLink);
  }
}
