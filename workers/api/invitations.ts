import { invite, newInvitationLink, type InvitationLink } from "../../shared/accounts/invite.ts";
import {
  denyReasonForAccepting,
  denyReasonForDeclining,
  denyReasonForInviting,
  denyReasonForRevoking,
  denyReasonOfInviter,
  noInvitation,
} from "../../shared/accounts/rules/invitations.ts";
import * as answers from "../../shared/accounts/sql/answered-invitations.ts";
import * as store from "../../shared/accounts/sql/invitations.ts";
import { findMember, tagsOfMember } from "../../shared/accounts/sql/team-members.ts";
import { findTeam } from "../../shared/accounts/sql/teams.ts";
import { findUserBy } from "../../shared/accounts/sql/users.ts";
import type { InvitationAnswer } from "../../shared/contract/invitations.ts";
import type { KeyedRequest } from "../../shared/database/answered-requests.ts";
import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import { isSent } from "../../shared/email/automatic-emails.ts";
import { templatesInCache } from "../../shared/email/templates/published.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { pageFrom } from "../../shared/http/lists.ts";
import { DAY_MS } from "../../shared/lib/base/clock.ts";
import { sha256Hex } from "../../shared/lib/base/hash.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";
import { json, noContent, userIdOf, type Call, type Handler } from "./call.ts";
import { decideAndWrite } from "./decide-and-write.ts";
import { createOnce, keyedRequest, readAgain } from "./keyed.ts";
import { outboxOf } from "./outbox.ts";
import { withPurge } from "./purging.ts";

/** The answer does not reveal whether the address has an account or is a member. */
export const createInvitation: Handler<"createInvitation"> = async (call) => {
  const { params, body, env, now } = call;
  const keyed = await keyedRequest(call, [params.teamId, body]);
  return await createOnce(call, keyed, {
    create: () => create(call, keyed),
    again: (id) =>
      readAgain(
        env,
        () => store.findSentInvitation(env.DB, "id", id, now),
        (found) => json({ invitation: invitationAnswer(found) }, { status: 201 }),
      ),
  });
};

async function create(
  call: Call<"createInvitation">,
  keyed: KeyedRequest | null,
): Promise<Result<Response, Failure>> {
  const { env, caller, now } = call;
  const { teamId } = call.params;
  const { email, role, expiresInDays: days } = call.body;
  const outbox = outboxOf(env);
  const inviterId = userIdOf(caller);
  const inviting = { teamId, inviterId, email };
  const id = `inv_${crypto.randomUUID().replaceAll("-", "")}`;
  const expiresAt = now + days * DAY_MS;
  let link: InvitationLink | null = null;
  const created = await decideAndWrite(env, {
    read: () => store.findInviterFacts(env.DB, inviting, now),
    denyReason: (facts) => denyReasonForInviting(facts, role),
    write: async (facts): Promise<Result<store.Invitation | null, Failure>> => {
      const found = await readDatabase(env, () => findTeam(env.DB, teamId, now));
      if (!found.ok) return found;
      if (found.value === null) return ok(null);
      const made = await newInvitationLink(
        { outbox, env, readTemplates: templatesInCache(env), now },
        { teamName: found.value.team.name, role, days },
      );
      if (!made.ok) return made;
      link = made.value;
      const invitation = { ...inviting, id, role, expiresAt };
      return await invite({ outbox, now, keyed }, invitation, facts, link);
    },
  });
  if (!created.ok) return created;
  // Who has the link can answer for the address: no user gets it, except by the email.
  const { url } = (link ?? {}) as Partial<InvitationLink>;
  const isShown =
    caller.role === "operator" && !isSent(env, "team-invitation") && url !== undefined;
  return json(
    { invitation: invitationAnswer(created.value), ...(isShown && { url }) },
    { status: 201 },
  );
}

export const listInvitations: Handler<"listInvitations"> = async ({
  params: { teamId },
  query: { limit, cursor },
  env,
  caller,
  now,
}) => {
  const by = { teamId, id: "", actorId: userIdOf(caller) };
  const facts = await readDatabase(env, () => store.findRevocationFacts(env.DB, by, now));
  if (!facts.ok) return facts;
  const refusal = denyReasonOfInviter(facts.value.actor, facts.value.teamExists);
  if (refusal !== null) return fail(refusal);
  const page = { before: cursor ?? null, limit: limit + 1, now };
  const found = await readDatabase(env, () => store.findInvitations(env.DB, teamId, page));
  if (!found.ok) return found;
  const { rows, ...next } = pageFrom(found.value, limit, (one) => one.createdAt);
  return json({ items: rows.map(invitationAnswer), ...next });
};

export const revokeInvitation: Handler<"revokeInvitation"> = async ({
  params: { teamId, invitationId: id },
  env,
  caller,
  now,
}) => {
  const find = () =>
    store.findRevocationFacts(env.DB, { teamId, id, actorId: userIdOf(caller) }, now);
  const revoked = await decideAndWrite(env, {
    read: find,
    denyReason: denyReasonForRevoking,
    write: async (facts): Promise<Result<true | null, Failure>> =>
      facts.invitation?.status === "revoked"
        ? ok(true)
        : await writeDatabase(
            () => store.saveRevocation(env.DB, { teamId, id }, facts, now),
            async () => ((await find()).invitation?.status === "revoked" ? true : null),
          ),
  });
  return revoked.ok ? noContent() : revoked;
};

export const listReceivedInvitations: Handler<"listReceivedInvitations"> = async ({
  params: { userId },
  env,
  now,
}) => {
  const found = await readDatabase(env, async () => {
    const user = await findUserBy(env.DB, { by: "userId", value: userId });
    if (user === null) return null;
    const { results } = await answers
      .selectInvitations(env.DB, userId, now)
      .all<answers.ReceivedInvitation>();
    return results;
  });
  if (!found.ok) return found;
  if (found.value === null) return fail({ tag: "not-found", what: "user" });
  return json({
    invitations: found.value.map(({ createdAt, expiresAt, ...one }) => ({
      ...one,
      createdAt: new Date(createdAt).toISOString(),
      expiresAt: new Date(expiresAt).toISOString(),
    })),
  });
};

/** A repeat gets the same answer. */
export const acceptInvitation: Handler<"acceptInvitation"> = async ({ body, env, caller, now }) => {
  const { userId } = caller.user;
  const answered = await answeredBy(body, userId);
  const read = () => answers.findInvitation(env.DB, answered, now);
  const accepted = await decideAndWrite(env, {
    read,
    denyReason: (found) => (found === null ? noInvitation : denyReasonForAccepting(found)),
    write: async (found): Promise<Result<{ teamId: string } | null, Failure>> => {
      if (found === null) return ok(null);
      const { teamId, status } = found;
      if (status === "accepted") return ok({ teamId });
      const saved = await withPurge(env, tagsOfMember(userId), (purgeId) =>
        writeDatabase(
          () => answers.saveAcceptance(env.DB, { ...found, userId }, [], { purgeId, now }),
          async () => ((await read())?.acceptedBy === userId ? true : null),
        ),
      );
      return saved.ok && saved.value !== null ? ok({ teamId }) : saved.ok ? ok(null) : saved;
    },
  });
  if (!accepted.ok) return accepted;
  const { teamId } = accepted.value;
  const member = await readDatabase(env, () => findMember(env.DB, teamId, userId));
  if (!member.ok) return member;
  return member.value === null ? fail(noInvitation) : json({ teamId, member: member.value });
};

export const declineInvitation: Handler<"declineInvitation"> = async ({
  body,
  env,
  caller,
  now,
}) => {
  const answered = await answeredBy(body, caller.user.userId);
  const read = () => answers.findInvitation(env.DB, answered, now);
  const declined = await decideAndWrite(env, {
    read,
    denyReason: (found) => (found === null ? noInvitation : denyReasonForDeclining(found)),
    write: async (found): Promise<Result<true | null, Failure>> =>
      found === null || found.status === "declined"
        ? ok(true)
        : await writeDatabase(
            () => answers.saveDecline(env.DB, found.id, [], now),
            async () => ((await read())?.status === "declined" ? true : null),
          ),
  });
  return declined.ok ? noContent() : declined;
};

async function answeredBy(
  { token, invitationId }: { token?: string | undefined; invitationId?: string | undefined },
  userId: string,
): Promise<answers.AnsweredBy> {
  return invitationId === undefined
    ? { by: "link-of-user", tokenHash: await sha256Hex(token ?? ""), userId }
    : { by: "id", id: invitationId, userId };
}

function invitationAnswer(invitation: store.Invitation): InvitationAnswer {
  const { invitedBy, createdAt, expiresAt, ...rest } = invitation;
  return {
    ...rest,
    ...(invitedBy !== null && { invitedBy }),
    createdAt: new Date(createdAt).toISOString(),
    expiresAt: new Date(expiresAt).toISOString(),
  };
}
