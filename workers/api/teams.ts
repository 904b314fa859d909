import { relatedKey } from "../../shared/accounts/rules/keys.ts";
import {
  denyReasonForNewTeam,
  denyReasonForNewWorkspace,
  denyReasonForSaving,
  denyReasonForReading,
  denyReasonForRemoving,
} from "../../shared/accounts/rules/teams.ts";
import * as store from "../../shared/accounts/sql/teams.ts";
import {
  findCreated,
  findWorkspaceFacts,
  insertWorkspace,
} from "../../shared/accounts/sql/workspaces.ts";
import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { fail } from "../../shared/lib/base/result.ts";
import { json, noContent, type Caller, type Handler } from "./call.ts";
import { decide } from "./decide.ts";
import { purgingAfter } from "./purging.ts";

const noTeam: Failure = { tag: "not-found", what: "team" };

export const createTeam: Handler<"createTeam"> = async ({ body, env, caller, now }) => {
  const { userId } = caller.user;
  const team = { teamId: crypto.randomUUID(), name: body.name, ownerId: userId };
  const created = await decide(env, {
    read: () => store.findCreatorFacts(env.DB, userId),
    denyReason: denyReasonForNewTeam,
    write: (facts) =>
      purgingAfter(env, store.tagsOfMember(userId), (intentId) =>
        writeDatabase(
          () => store.insertTeam(env.DB, team, facts, { intentId, now }),
          async () => (await store.findTeam(env.DB, team.teamId))?.team ?? null,
        ),
      ),
  });
  if (!created.ok) return created;
  return json(
    { team: created.value },
    { status: 201, headers: { Location: `/api/teams/${team.teamId}` } },
  );
};

export const getTeam: Handler<"getTeam"> = async ({ params: { teamId }, env, caller }) => {
  const found = await readDatabase(env, () => store.findTeam(env.DB, teamId));
  if (!found.ok) return found;
  if (found.value === null) return fail(noTeam);
  const callerId = userIdOf(caller);
  const member = found.value.members.find(({ userId }) => userId === callerId);
  const refusal = caller.role === "admin" ? null : denyReasonForReading(member?.role ?? null);
  return refusal === null ? json(found.value) : fail(refusal);
};

export const addMember: Handler<"addMember"> = async ({
  params: { teamId },
  body: { userId, role },
  env,
  caller,
  now,
}) => {
  const member = await decide(env, {
    read: () => store.findMemberFacts(env.DB, teamId, userIdOf(caller), userId),
    denyReason: (facts) => denyReasonForSaving(facts, role),
    write: (facts) =>
      purgingAfter(env, store.tagsOfMember(userId), (intentId) =>
        writeDatabase(
          () => store.saveMember(env.DB, { teamId, role }, facts, { intentId, now }),
          async () => {
            const found = await store.findMember(env.DB, teamId, userId);
            return found?.role === role ? found : null;
          },
        ),
      ),
  });
  return member.ok ? json({ member: member.value }) : member;
};

export const removeMember: Handler<"removeMember"> = async ({ params, env, caller, now }) => {
  const { teamId, userId } = params;
  const removed = await decide(env, {
    read: () => store.findMemberFacts(env.DB, teamId, userIdOf(caller), userId),
    denyReason: denyReasonForRemoving,
    write: (facts) =>
      purgingAfter(env, store.tagsOfMember(userId), (intentId) =>
        writeDatabase(
          () => store.deleteMember(env.DB, teamId, facts, { intentId, now }),
          async () => ((await store.findMember(env.DB, teamId, userId)) === null ? true : null),
        ),
      ),
  });
  return removed.ok ? noContent() : removed;
};

export const createWorkspace: Handler<"createWorkspace"> = async ({ body, env, caller, now }) => {
  const { userId } = caller.user;
  const workspaceId = crypto.randomUUID();
  const created = await decide(env, {
    read: () => findWorkspaceFacts(env.DB, userId, body.teamId ?? null),
    denyReason: denyReasonForNewWorkspace,
    write: (facts) =>
      purgingAfter(
        env,
        [relatedKey(userId, "workspaces")],
        (intentId) =>
          writeDatabase(
            () =>
              insertWorkspace(env.DB, { ...body, workspaceId, ownerId: userId }, facts, {
                intentId,
                now,
              }),
            () => findCreated(env.DB, workspaceId, intentId),
          ),
        (written) => written?.tags ?? [],
      ),
  });
  return created.ok ? json({ workspace: created.value.workspace }, { status: 201 }) : created;
};

/** Null for the admin, who is not a user. */
function userIdOf(caller: Caller): string | null {
  return caller.role === "user" ? caller.user.userId : null;
}
