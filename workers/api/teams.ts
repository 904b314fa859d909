import { teamKey } from "../../shared/accounts/rules/keys.ts";
import type { TeamMember } from "../../shared/accounts/rules/schemas.ts";
import {
  denyReasonForConfirming,
  denyReasonForManaging,
  denyReasonForNewTeam,
  denyReasonForSaving,
  denyReasonForReading,
  denyReasonForRemoving,
  isSavedAtOnce,
} from "../../shared/accounts/rules/teams.ts";
import * as pending from "../../shared/accounts/sql/pending-members.ts";
import * as membership from "../../shared/accounts/sql/team-members.ts";
import * as store from "../../shared/accounts/sql/teams.ts";
import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { fail } from "../../shared/lib/base/result.ts";
import { json, noContent, userIdOf, type CallerOf, type Handler } from "./call.ts";
import { decideAndWrite } from "./decide-and-write.ts";
import { denyReasonForChange, isConditional, withEtag } from "./etag.ts";
import { createOnce, keyedRequest, readAgain } from "./keyed.ts";
import { withPurge } from "./purging.ts";

const noTeam: Failure = { tag: "not-found", what: "team" };

export const createTeam: Handler<"createTeam"> = async (call) => {
  const { body, env, caller, now } = call;
  const { userId } = caller.user;
  const team = { teamId: crypto.randomUUID(), name: body.name, ownerId: userId };
  const keyed = await keyedRequest(call, body);
  const create = async () => {
    const created = await decideAndWrite(env, {
      read: () => store.findCreatorFacts(env.DB, userId),
      denyReason: denyReasonForNewTeam,
      write: (facts) =>
        withPurge(env, membership.tagsOfMember(userId), (purgeId) =>
          writeDatabase(
            () => store.insertTeam(env.DB, team, facts, { purgeId, now, keyed }),
            async () => (await store.findTeam(env.DB, team.teamId, now))?.team ?? null,
          ),
        ),
    });
    if (!created.ok) return created;
    return json(
      { team: created.value },
      { status: 201, headers: { Location: `/api/teams/${team.teamId}` } },
    );
  };
  const again = (id: string) =>
    readAgain(
      env,
      () => store.findTeam(env.DB, id, now),
      (found) => json({ team: found.team }, { status: 201 }),
    );
  return await createOnce(call, keyed, { create, again });
};

export const getTeam: Handler<"getTeam"> = async ({ params: { teamId }, env, caller, now }) => {
  const found = await readDatabase(env, () => store.findTeam(env.DB, teamId, now));
  if (!found.ok) return found;
  if (found.value === null) return fail(noTeam);
  const refusal = refusalToRead(caller, teamId, found.value.members);
  return refusal === null ? await withEtag(json(found.value), found.value) : fail(refusal);
};

function refusalToRead(
  caller: CallerOf<"caller">,
  teamId: string,
  members: readonly TeamMember[],
): Failure | null {
  if (caller.role === "operator") return null;
  if (caller.of === "team") return caller.team.teamId === teamId ? null : noTeam;
  const { userId: own } = caller.user;
  const member = members.find(({ userId, confirmed }) => confirmed && userId === own);
  return denyReasonForReading(member?.role ?? null);
}

/** An owner renames their team. */
export const renameTeam: Handler<"renameTeam"> = async ({
  request,
  params: { teamId },
  body: { name },
  env,
  caller,
  now,
}) => {
  const renamed = await decideAndWrite(env, {
    read: async () => {
      const facts = await store.findManagerFacts(env.DB, teamId, userIdOf(caller));
      if (!isConditional(request)) return { facts, denied: null, nameAsRead: null };
      const found = await store.findTeam(env.DB, teamId, now);
      const denied = found === null ? null : await denyReasonForChange(request, found);
      return { facts, denied, nameAsRead: found?.team.name ?? null };
    },
    denyReason: ({ facts, denied }) => denyReasonForManaging(facts) ?? denied,
    write: ({ facts, nameAsRead }) =>
      withPurge(env, [teamKey(teamId)], (purgeId) =>
        writeDatabase(
          () => store.saveTeamName(env.DB, { teamId, name, nameAsRead }, facts, { purgeId, now }),
          async () => {
            const found = await store.findTeam(env.DB, teamId, now);
            return found?.team.name === name ? found.team : null;
          },
        ),
      ),
  });
  return renamed.ok ? json({ team: renamed.value }) : renamed;
};

export const deleteTeam: Handler<"deleteTeam"> = async ({
  params: { teamId },
  env,
  caller,
  now,
}) => {
  const deleted = await decideAndWrite(env, {
    read: () => store.findManagerFacts(env.DB, teamId, userIdOf(caller)),
    denyReason: denyReasonForManaging,
    write: (facts) =>
      withPurge(env, [teamKey(teamId)], (purgeId) =>
        writeDatabase(
          () => store.eraseTeam(env.DB, teamId, facts, { purgeId, now }),
          async () => ((await store.findTeam(env.DB, teamId, now)) === null ? true : null),
        ),
      ),
  });
  return deleted.ok ? noContent() : deleted;
};

/**
 * A user whom another user adds has to confirm. The answer does not reveal whether there is such a
 * user.
 */
export const addMember: Handler<"addMember"> = async ({
  params: { teamId },
  body: { userId, role },
  env,
  caller,
  now,
}) => {
  const change = { teamId, actorId: userIdOf(caller), targetId: userId };
  const member = await decideAndWrite(env, {
    read: () => membership.findMemberFacts(env.DB, change, now),
    denyReason: (facts) => denyReasonForSaving(facts, role),
    write: (facts) =>
      withPurge(env, membership.tagsOfMember(userId), (purgeId) =>
        isSavedAtOnce(facts)
          ? writeDatabase(
              () => membership.saveMember(env.DB, { teamId, role }, facts, { purgeId, now }),
              async () => {
                const found = await membership.findMember(env.DB, teamId, userId);
                return found?.role === role ? found : null;
              },
            )
          : writeDatabase(
              () => pending.addPending(env.DB, teamId, facts, { purgeId, now }),
              () => pending.findPending(env.DB, teamId, userId, now),
            ),
      ),
  });
  return member.ok ? json({ member: member.value }) : member;
};

/** Only the user who was added confirms. A repeat gets the same answer. */
export const confirmMember: Handler<"confirmMember"> = async ({
  params: { teamId, userId },
  env,
  caller,
  now,
}) => {
  if (caller.user.userId !== userId)
    return fail({ tag: "forbidden", detail: "Only the user who was added may confirm." });
  const find = () => membership.findMember(env.DB, teamId, userId);
  const member = await decideAndWrite(env, {
    read: () => pending.findConfirmationFacts(env.DB, teamId, userId, now),
    denyReason: denyReasonForConfirming,
    write: ({ role }) =>
      role === null
        ? withPurge(env, membership.tagsOfMember(userId), (purgeId) =>
            writeDatabase(
              () => pending.saveConfirmation(env.DB, teamId, userId, { purgeId, now }),
              find,
            ),
          )
        : readDatabase(env, find),
  });
  return member.ok ? json({ member: member.value }) : member;
};

export const removeMember: Handler<"removeMember"> = async ({ params, env, caller, now }) => {
  const { teamId, userId } = params;
  const change = { teamId, actorId: userIdOf(caller), targetId: userId };
  const removed = await decideAndWrite(env, {
    read: () => membership.findMemberFacts(env.DB, change, now),
    denyReason: denyReasonForRemoving,
    write: (facts) =>
      withPurge(env, membership.tagsOfMember(userId), (purgeId) =>
        writeDatabase(
          () => membership.deleteMember(env.DB, teamId, facts, { purgeId, now }),
          async () => {
            const left = await membership.findMemberFacts(env.DB, change, now);
            return left.target.role === null && !left.target.pending ? true : null;
          },
        ),
      ),
  });
  return removed.ok ? noContent() : removed;
};
