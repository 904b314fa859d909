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

/** Other isolates answer too, and each has to read first. */
const READS = 20;
const MAIL_WITHIN_MS = 120_000;
const LOOK_EACH_MS = 500;

/**
 * A user comes and goes. Nobody gets a mail: the address, which cannot exist, is suppressed before.
 *
 * @param tag tells this run's user from any other
 */
export function writeChecks(tag: string): Check[] {
  const userId = `smoke-${tag}`;
  const email = `${userId}@example.com`;
  const params = { userId };
  let apiKey = "";
  let isHeldBack = false;
  return [
    {
      name: "a throwaway user signs up",
      async run(target) {
        await target.call(suppress, { body: { address: email, note: "smoke test" } });
        ({ apiKey } = (await target.call(createUser, { body: { userId, email } })).body);
        return userId;
      },
    },
    {
      name: "its first read asks the database, one of the next the cache",
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
      name: "luna-consumer holds its mail back: its address is suppressed",
      async run(target) {
        const id = await newestMailTo(target, email);
        return await until(async () => {
          const { status } = (await target.call(getEmail, { params: { id } })).body;
          isHeldBack = status === "suppressed";
          return { over: isHeldBack, seen: status };
        });
      },
    },
    {
      name: "it is deleted, and its key is refused at once",
      async run(target) {
        await target.call(deleteUser, { params });
        // Before that it would be sent.
        if (isHeldBack) await target.call(unsuppress, { params: { address: email } });
        const { status } = await target.client(apiKey)(getMe);
        if (status !== 401) throw new Error(`the key was answered with ${status}`);
        return "401";
      },
    },
  ];
}

async function newestMailTo(target: Target, to: string): Promise<string> {
  const [mail] = (await target.call(listEmails, { query: { to, limit: "1" } })).body.items;
  if (mail === undefined) throw new Error("its mail is not there");
  return mail.id;
}

/** A mail to somebody who waits for it. */
export function mailCheck(tag: string, to: string): Check {
  return {
    name: "a mail is sent",
    async run(target: Target) {
      const mail = {
        to,
        subject: `Luna smoke test ${tag}`,
        text: `Sent by npm run smoke against ${target.url}.`,
      };
      const { id } = (await target.call(sendEmail, { body: mail, idempotencyKey: `smoke-${tag}` }))
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

/** @returns what was seen at last */
async function until(look: () => Promise<{ over: boolean; seen: string }>): Promise<string> {
  const deadline = performance.now() + MAIL_WITHIN_MS;
  for (;;) {
    const { over, seen } = await look();
    if (over) return seen;
    if (performance.now() > deadline) throw new Error(`${seen} after ${MAIL_WITHIN_MS / 1_000} s`);
    await sleep(LOOK_EACH_MS);
  }
}
