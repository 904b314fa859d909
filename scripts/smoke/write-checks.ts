import { setTimeout as sleep } from "node:timers/promises";
import {
  getEmail,
  listEmails,
  sendEmail,
  suppress,
  unsuppress,
} from "../../shared/contract/emails.ts";
import { createUser, deleteUser, getMe, getUser } from "../../shared/contract/users.ts";
import type { Check, Target } from "./target.ts";

/** Several isolates answer, and each must load the entry first. */
const READS = 20;
const SENT_WITHIN_MS = 120_000;
const LOOK_EACH_MS = 500;

/**
 * Signs up a user and deletes them. No email is sent: the address, which cannot exist, is
 * suppressed first.
 *
 * @param tag makes the user's id unique
 */
export function writeChecks(tag: string): Check[] {
  const userId = `smoke-${tag}`;
  const email = `${userId}@example.com`;
  const params = { userId };
  let apiKey = "";
  let isSuppressed = false;
  return [
    {
      name: "a temporary user signs up",
      async run(target) {
        await target.call(suppress, { body: { address: email, note: "smoke test" } });
        ({ apiKey } = (await target.call(createUser, { body: { userId, email } })).body);
        return userId;
      },
    },
    {
      name: "its first read asks the database, a later one hits the cache",
      async run(target) {
        const seen: string[] = [];
        for (let n = 0; n < READS; n += 1) {
          const { headers } = await target.call(getUser, { params });
          seen.push(headers.get("Cache-Status") ?? "none");
          if (seen[0]?.startsWith("luna; fwd=") !== true)
            throw new Error(`the Cache-Status of the first is "${seen[0] ?? ""}"`);
          if (seen.at(-1)?.startsWith("luna; hit") === true)
            return `${seen[0]}, then ${seen.at(-1) ?? ""}`;
        }
        throw new Error(`none of ${READS} reads was a hit, the last is "${seen.at(-1) ?? ""}"`);
      },
    },
    {
      name: "its key opens its own account",
      run: async (target) => (await target.call(getMe, {}, apiKey)).body.user.userId,
    },
    {
      name: "luna-consumer does not send its email: its address is suppressed",
      async run(target) {
        const id = await newestEmailTo(target, email);
        return await until(async () => {
          const { status } = (await target.call(getEmail, { params: { id } })).body;
          isSuppressed = status === "suppressed";
          return { over: isSuppressed, seen: status };
        });
      },
    },
    {
      name: "it is deleted, and its key is refused at once",
      async run(target) {
        await target.call(deleteUser, { params });
        // Otherwise the email would be sent.
        if (isSuppressed) await target.call(unsuppress, { params: { address: email } });
        const { status } = await target.client(apiKey)(getMe);
        if (status !== 401) throw new Error(`the key was answered with ${status}`);
        return "401";
      },
    },
  ];
}

async function newestEmailTo(target: Target, to: string): Promise<string> {
  const [email] = (await target.call(listEmails, { query: { to, limit: "1" } })).body.items;
  if (email === undefined) throw new Error("its email does not exist");
  return email.id;
}

/** Sends an email to a recipient who expects it. */
export function emailCheck(tag: string, to: string): Check {
  return {
    name: "an email is sent",
    async run(target: Target) {
      const email = {
        to,
        subject: `Luna smoke test ${tag}`,
        text: `Sent by npm run smoke against ${target.url}.`,
      };
      const { id } = (await target.call(sendEmail, { body: email, idempotencyKey: `smoke-${tag}` }))
        .body;
      return await until(async () => {
        const { status, attempts } = (await target.call(getEmail, { params: { id } })).body;
        return {
          over: status === "sent" || status === "delivered",
          seen: `${status}, attempts: ${attempts}`,
        };
      });
    },
  };
}

/** @returns the last state */
async function until(look: () => Promise<{ over: boolean; seen: string }>): Promise<string> {
  const deadline = performance.now() + SENT_WITHIN_MS;
  for (;;) {
    const { over, seen } = await look();
    if (over) return seen;
    if (performance.now() > deadline) throw new Error(`${seen} after ${SENT_WITHIN_MS / 1_000} s`);
    await sleep(LOOK_EACH_MS);
  }
}
