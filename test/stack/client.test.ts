import { expect, it } from "vitest";
import { createClient, type Client } from "../../shared/contract/client/client.ts";
import { getEmail, listEmails, sendEmail } from "../../shared/contract/emails.ts";
import {
  addMember,
  confirmMember,
  createTeam,
  createWorkspace,
  getTeam,
  removeMember,
} from "../../shared/contract/teams.ts";
import { addUsage } from "../../shared/contract/usage.ts";
import { listUsers } from "../../shared/contract/user-administration.ts";
import {
  createUser,
  deleteUser,
  exportUser,
  getMe,
  updateUser,
} from "../../shared/contract/users.ts";
import { eventually } from "../support/eventually.ts";
import { ADMIN_TOKEN } from "../support/http.ts";
import { useStack } from "./support.ts";

const stack = useStack();

const clientOf = (token: string): Client =>
  createClient({
    baseUrl: "",
    token,
    fetch: (async (path: string, init: RequestInit) =>
      await stack.server.fetch(path, init as never)) as unknown as typeof fetch,
  });

/** The body of an answer that must be a success. */
function bodyOf<Body>(
  answer: { ok: true; body: Body } | { ok: false; problem: { detail?: string | undefined } },
): Body {
  if (!answer.ok) throw new Error(answer.problem.detail ?? "failed");
  return answer.body;
}

it("leads a product's life through the typed client: sign-up, team, usage, an email, export, goodbye", async () => {
  const admin = clientOf(ADMIN_TOKEN);
  const signUp = async (userId: string): Promise<string> => {
    const body = { userId, email: `${userId}@example.com`, tier: "pro" as const };
    const created = await admin(createUser, { body });
    if (!created.ok || created.status !== 201) throw new Error(`${userId} was not signed up`);
    return created.body.apiKey;
  };
  const [ada, bob] = [await signUp("ada"), await signUp("bob")];
  bodyOf(await admin(updateUser, { params: { userId: "ada" }, body: { scopes: ["emails:send"] } }));
  const [asAda, asBob] = [clientOf(ada), clientOf(bob)];

  const { team } = bodyOf(await asAda(createTeam, { body: { name: "Core" } }));
  const params = { teamId: team.teamId };
  bodyOf(await asAda(addMember, { params, body: { userId: "bob" } }));
  bodyOf(await asBob(confirmMember, { params: { ...params, userId: "bob" } }));
  bodyOf(await asAda(addMember, { params, body: { userId: "bob", role: "admin" } }));
  bodyOf(await asBob(createWorkspace, { body: { name: "Ours", teamId: team.teamId } }));
  expect(
    bodyOf(await asBob(getTeam, { params })).members.map(({ userId, role }) => [userId, role]),
  ).toEqual([
    ["ada", "owner"],
    ["bob", "admin"],
  ]);
  const counted = await Promise.all(
    Array.from({ length: 20 }, () =>
      asAda(addUsage, { params: { userId: "ada" }, body: { metric: "reports", amount: 5 } }),
    ),
  );
  expect(Math.max(...counted.map((answer) => bodyOf(answer).amount))).toBe(100);

  const email = {
    body: { to: "eve@example.com", subject: "Report", text: "Here it is" },
    idempotencyKey: "report-1",
  } as const;
  const [{ id }, repeated] = [
    bodyOf(await asAda(sendEmail, email)),
    bodyOf(await asAda(sendEmail, email)),
  ];
  expect(repeated.id).toBe(id);
  await eventually(async () =>
    expect(bodyOf(await asAda(getEmail, { params: { id } })).status).toBe("sent"),
  );
  expect(stack.sink.copiesOf(id)).toBe(1);
  expect(bodyOf(await asAda(listEmails)).items.map((item) => item.id)).toContain(id);
  expect(await asBob(getEmail, { params: { id } })).toMatchObject({ ok: false, status: 404 });

  const kept = bodyOf(await asAda(exportUser, { params: { userId: "ada" } }));
  expect(kept).toMatchObject({
    usage: { reports: 100 },
    teams: [{ teamId: team.teamId, role: "owner" }],
  });
  expect(await asAda(deleteUser, { params: { userId: "ada" } })).toMatchObject({
    ok: false,
    status: 409,
  });
  bodyOf(await asAda(addMember, { params, body: { userId: "bob", role: "owner" } }));
  bodyOf(await asAda(removeMember, { params: { ...params, userId: "ada" } }));
  bodyOf(await asAda(deleteUser, { params: { userId: "ada" } }));
  expect(await asAda(getMe)).toMatchObject({ ok: false, status: 401 });
  expect(bodyOf(await admin(listUsers)).items.map(({ userId }) => userId)).toEqual(["bob"]);
});
