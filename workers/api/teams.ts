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
import * as contract from "../../shared/contract/teams.ts";
import { purgingAfter } from "../../shared/database/purge-outbox/purging-after.ts";
import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import { readJson } from "../../shared/http/body.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { fail, ok } from "../../shared/lib/base/result.ts";
import { json, type Caller, type Handler } from "./call.ts";
import { decide } from "./decide.ts";
import { purging } from "./purging.ts";

const noTeam: Failure = { tag: "not-found", what: "team" };

export const createTeam: Handler = async ({ request, env, caller, now }) => {
  if (caller.role !== "user") return fail({ tag: "unauthenticated" });
  const wanted = await readJson(request, contract.createTeam.body);
  if (!wanted.ok) return wanted;
  const { userId } = caller.user;
  const team = { teamId: crypto.randomUUID(), name: wanted.value.name, ownerId: userId };
  const created = await decide(env, {
    read: () => store.findCreatorFacts(env.DB, userId),
    whyNot: denyReasonForNewTeam,
    write: (facts) =>
      purgingAfter(purging(env), store.tagsOfMember(userId), (intentId) =>
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

export const getTeam: Handler = async ({ params, env, caller }) => {
  const found = await readDatabase(env, () => store.findTeam(env.DB, params["teamId"] ?? ""));
  if (!found.ok) return found;
  if (found.value === null) return fail(noTeam);
  const callerId = userIdOf(caller);
  const member = found.value.members.find(({ userId }) => userId === callerId);
  const refusal = caller.role === "admin" ? null : denyReasonForReading(member?.role ?? null);
  return refusal === null ? json(found.value) : fail(refusal);
};

export const addMember: Handler = async ({ request, params, env, caller, now }) => {
  const wanted = await readJson(request, contract.addMember.body);
  if (!wanted.ok) return wanted;
  const teamId = params["teamId"] ?? "";
  const { userId, role } = wanted.value;
  const member = await decide(env, {
    read: () => store.findMemberFacts(env.DB, teamId, userIdOf(caller), userId),
    whyNot: (facts) => denyReasonForSaving(facts, role),
    write: (facts) =>
      purgingAfter(purging(env), store.tagsOfMember(userId), (intentId) =>
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

export const removeMember: Handler = async ({ params, env, caller, now }) => {
  const { teamId = "", userId = "" } = params;
  const removed = await decide(env, {
    read: () => store.findMemberFacts(env.DB, teamId, userIdOf(caller), userId),
    whyNot: denyReasonForRemoving,
    write: (facts) =>
      purgingAfter(purging(env), store.tagsOfMember(userId), (intentId) =>
        writeDatabase(
          () => store.deleteMember(env.DB, teamId, facts, { intentId, now }),
          async () => ((await store.findMember(env.DB, teamId, userId)) === null ? true : null),
        ),
      ),
  });
  return removed.ok ? ok(new Response(null, { status: 204 })) : removed;
};

export const createWorkspace: Handler = async ({ request, env, caller, now }) => {
  if (caller.role !== "user") return fail({ tag: "unauthenticated" });
  const wanted = await readJson(request, contract.createWorkspace.body);
  if (!wanted.ok) return wanted;
  const { userId } = caller.user;
  const workspaceId = crypto.randomUUID();
  const created = await decide(env, {
    read: () => findWorkspaceFacts(env.DB, userId, wanted.value.teamId ?? null),
    whyNot: denyReasonForNewWorkspace,
    write: (facts) =>
      purgingAfter(
        purging(env),
        [relatedKey(userId, "workspaces")],
        (intentId) =>
          writeDatabase(
            () =>
              insertWorkspace(env.DB, { ...wanted.value, workspaceId, ownerId: userId }, facts, {
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

/** Null for the admin, who is none. */
function userIdOf(caller: Caller): string | null {
  return caller.role === "user" ? caller.user.userId : null;
}
