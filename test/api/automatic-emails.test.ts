import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import {
  automaticEmails,
  checkAutomaticEmails,
  isSent,
  type AutomaticEmail,
} from "../../shared/email/automatic-emails.ts";
import { call, callWith, signUpAs, type TestUser } from "./support.ts";

/** The emails that Luna sends by itself, each of which can be switched off. */

type Send = ReturnType<typeof callWith>;

/** What sends each email, by the subject that only it has. The tests of luna-cron have the rest. */
const acts: Partial<
  Record<AutomaticEmail, { subject: RegExp; act: (send: Send, user: TestUser) => Promise<unknown> }>
> = {
  welcome: {
    subject: /^Welcome to Luna/,
    act: (send, { userId }) =>
      send("POST", "/api/users", { userId: `${userId}-new`, email: `${userId}-new@example.com` }),
  },
  "address-in-use": {
    subject: /^You have an account with the address/,
    act: async (send, { userId, token }) => {
      const other = await signUpAs("free");
      await send("PATCH", `/api/users/${userId}`, { email: other.email }, { token });
    },
  },
  "address-change-requested": {
    subject: /^A new address was requested/,
    act: (send, { userId, token }) =>
      send("PATCH", `/api/users/${userId}`, { email: `${userId}-a@example.com` }, { token }),
  },
  "address-changed": {
    subject: /^The address of your account/,
    act: (send, { userId }) =>
      send("PATCH", `/api/users/${userId}`, { email: `${userId}-b@example.com` }),
  },
  "api-key-rotated": {
    subject: /was replaced$/,
    act: (send, { userId }) => send("POST", `/api/users/${userId}/api-key`),
  },
  "api-key-revoked": {
    subject: /was revoked$/,
    act: (send, { userId }) => send("DELETE", `/api/users/${userId}/api-key`),
  },
  "team-invitation": {
    subject: /^You are invited to the team/,
    act: async (send, { userId }) => {
      const owner = await signUpAs("pro");
      const { team } = (await call("POST", "/api/teams", { name: "T" }, owner)).body;
      const email = `${userId}-invited@example.com`;
      await send("POST", `/api/teams/${team.teamId}/invitations`, { email });
    },
  },
  "account-deleted": {
    subject: /was deleted$/,
    act: (send, { userId }) => send("DELETE", `/api/users/${userId}`),
  },
};

const subjects = async (): Promise<string[]> => {
  const { results } = await env.DB.prepare("SELECT subject FROM emails").all<{ subject: string }>();
  return results.map(({ subject }) => subject);
};

describe.each(Object.entries(acts))("%s", (name, { subject, act }) => {
  it("is sent, except when it is switched off", async () => {
    const matching = async () => (await subjects()).filter((one) => subject.test(one)).length;
    const sentBy = async (AUTOMATIC_EMAILS_OFF: string) => {
      const user = await signUpAs("free");
      const before = await matching();
      await act(callWith({ AUTOMATIC_EMAILS_OFF }), user);
      // The sign-up of the other user, in whose test it is, is welcomed too.
      return (await matching()) - before > 0;
    };
    expect(await sentBy("")).toBe(true);
    expect(await sentBy(`digest, ${name}`)).toBe(false);
  });
});

it("without address-confirmation a user cannot change their own address, and nothing is written", async () => {
  const { userId, token } = await signUpAs("free");
  const before = await subjects();
  const send = callWith({ AUTOMATIC_EMAILS_OFF: "address-confirmation" });
  const refused = await send(
    "PATCH",
    `/api/users/${userId}`,
    { email: "new@example.com" },
    { token },
  );
  expect([refused.status, refused.body.detail]).toEqual([403, "Only the admin may change email."]);
  expect(await subjects()).toEqual(before);
  expect((await call("GET", `/api/users/${userId}/export`)).body.addressChange).toBeNull();
});

it.each(["welcom", "welcome;digest", "all"])("the list %j is refused by name", (list) => {
  expect(checkAutomaticEmails({ AUTOMATIC_EMAILS_OFF: list })).toMatchObject({
    ok: false,
    error: { variable: "AUTOMATIC_EMAILS_OFF", message: expect.stringContaining("welcome, ") },
  });
  expect(isSent({ AUTOMATIC_EMAILS_OFF: list }, "welcome")).toBe(true);
});

it("every automatic email can be switched off by its name", () => {
  const AUTOMATIC_EMAILS_OFF = Object.keys(automaticEmails).join();
  for (const name of Object.keys(automaticEmails) as AutomaticEmail[])
    expect(isSent({ AUTOMATIC_EMAILS_OFF }, name)).toBe(false);
});
