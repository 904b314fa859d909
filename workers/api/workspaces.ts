import { relatedKey } from "../../shared/accounts/rules/keys.ts";
import {
  denyReasonForNewWorkspace,
  denyReasonForWorkspace,
  type WorkspaceFacts,
} from "../../shared/accounts/rules/workspaces.ts";
import * as store from "../../shared/accounts/sql/workspaces.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import { json, noContent, userIdOf, type Handler } from "./call.ts";
import { decideAndWrite } from "./decide-and-write.ts";
import { createOnce, keyedRequest, readAgain } from "./keyed.ts";
import { withPurge } from "./purging.ts";

/** The lists that the write surely changes. It returns the others. */
const listsOf = ({ actor, workspace }: WorkspaceFacts): string[] =>
  [workspace?.ownerId, actor === "admin" ? undefined : actor.userId].flatMap((userId) =>
    userId === undefined ? [] : [relatedKey(userId, "workspaces")],
  );

const tagsOf = (written: store.Written | null): string[] => written?.tags ?? [];

export const createWorkspace: Handler<"createWorkspace"> = async (call) => {
  const { body, env, caller, now } = call;
  const { userId: ownerId } = caller.user;
  const workspaceId = crypto.randomUUID();
  const wanted = { ...body, workspaceId, ownerId };
  const keyed = await keyedRequest(call, body);
  const create = async () => {
    const created = await decideAndWrite(env, {
      read: () => store.findNewWorkspaceFacts(env.DB, ownerId, body.teamId ?? null),
      denyReason: denyReasonForNewWorkspace,
      write: (facts) =>
        withPurge(
          env,
          [relatedKey(ownerId, "workspaces")],
          (purgeId) =>
            writeDatabase(
              () => store.insertWorkspace(env.DB, wanted, facts, { purgeId, now, keyed }),
              () => store.findWritten(env.DB, workspaceId, body.name, purgeId),
            ),
          tagsOf,
        ),
    });
    return created.ok ? json({ workspace: created.value.workspace }, { status: 201 }) : created;
  };
  const again = (id: string) =>
    readAgain(
      env,
      () => store.findWorkspace(env.DB, id),
      (workspace) => json({ workspace }, { status: 201 }),
    );
  return await createOnce(call, keyed, { create, again });
};

export const renameWorkspace: Handler<"renameWorkspace"> = async ({
  params: { workspaceId },
  body: { name },
  env,
  caller,
  now,
}) => {
  const renamed = await decideAndWrite(env, {
    read: () => store.findWorkspaceFacts(env.DB, workspaceId, userIdOf(caller)),
    denyReason: denyReasonForWorkspace,
    write: (facts) =>
      withPurge(
        env,
        listsOf(facts),
        (purgeId) =>
          writeDatabase(
            () => store.saveWorkspaceName(env.DB, { workspaceId, name }, facts, { purgeId, now }),
            () => store.findWritten(env.DB, workspaceId, name, purgeId),
          ),
        tagsOf,
      ),
  });
  return renamed.ok ? json({ workspace: renamed.value.workspace }) : renamed;
};

export const deleteWorkspace: Handler<"deleteWorkspace"> = async ({
  params: { workspaceId },
  env,
  caller,
  now,
}) => {
  const deleted = await decideAndWrite(env, {
    read: () => store.findWorkspaceFacts(env.DB, workspaceId, userIdOf(caller)),
    denyReason: denyReasonForWorkspace,
    write: (facts) =>
      withPurge(
        env,
        listsOf(facts),
        (purgeId) =>
          writeDatabase(
            () => store.eraseWorkspace(env.DB, workspaceId, facts, { purgeId, now }),
            () => store.findDeletedWorkspace(env.DB, workspaceId, purgeId),
          ),
        (tags) => tags ?? [],
      ),
  });
  return deleted.ok ? noContent() : deleted;
};
