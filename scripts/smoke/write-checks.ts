import { setTimeout as sleep } from "node:timers/promises";
import { getEmail, listEmails, sendEmail } from "../../shared/contract/emails.ts";
import { runTask } from "../../shared/contract/scheduled-tasks.ts";
import { suppress, unsuppress } from "../../shared/contract/suppressions.ts";
import { createUser, deleteUser, getMe, getUser } from "../../shared/contract/users.ts";
import type { Check, Target } from "./target.ts";

/** Several isolates answer, and each must load the entry first. */
const READS = 20;
const SENT_WITHIN_MS = 120_000;
const LOOK_EACH_MS = 500;

/**
 * Signs up a user and deletes them. No email is sent: the address, which cannot exist, is
 * suppressed until the last one has ended.
 *
 * @param tag makes the user's id unique
 */
export function writeChecks(tag: string): Check[] {
  const userId = `smoke-${tag}`;
  const email = `${userId}@example.com`;
  const params = { userId };
  let apiKey = "";
  return [
    {
      name: "a temporary user signs up",
      async run(target) {
        await target.call(suppress, { body: { address: email, note: "smoke test" } });
        const created = await target.call(createUser, { body: { userId, email } });
        apiKey = created.body.apiKey ?? "";
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
          if (!/^[^;]+; fwd=/.test(seen[0] ?? ""))
            throw new Error(`the Cache-Status of the first is "${seen[0] ?? ""}"`);
          if (/^[^;]+; hit/.test(seen.at(-1) ?? "")) return `${seen[0]}, then ${seen.at(-1) ?? ""}`;
        }
        throw new Error(`none of ${READS} reads was a hit, the last is "${seen.at(-1) ?? ""}"`);
      },
    },
    {
      name: "its key opens its own account",
      run: async (target) => (await target.call(getMe, {}, apiKey)).body.user.userId,
    },
    {
      name: "it is deleted, and its key is refused at once",
      async run(target) {
        await target.call(deleteUser, { params });
        const { status } = await target.client(apiKey)(getMe);
        if (status !== 401) throw new Error(`the key was answered with ${status}`);
        return "401";
      },
    },
    {
      name: "luna-consumer sends none of its emails: its address is suppressed",
      async run(target) {
        const seen = await until(async () => {
          const { items } = (await target.call(listEmails, { query: { to: email } })).body;
          const statuses = items.map(({ status }) => status);
          if (statuses.some(isSent)) throw new Error(`they are ${statuses.join(", ")}`);
          return {
            over: statuses.length > 0 && statuses.every((status) => status === "suppressed"),
            seen: statuses.join(", ") || "no email",
          };
        });
        // Without the suppression, an email that still waits would be sent.
        await target.call(unsuppress, { params: { address: email } });
        return seen;
      },
    },
  ];
}

const isSent = (status: string): boolean => status === "sent" || status === "delivered";

/** What an email that was not sent can end as. */
const notSent = new Set<string>(["dead", "unknown", "suppressed", "cancelled"]);

/** A task that runs each minute anyway. */
const TASK = "sweep-outbox";

/** Runs a task in luna-cron. */
export const taskCheck: Check = {
  name: "luna-cron runs a task",
  async run(target) {
    const { body } = await target.call(runTask, { params: { name: TASK } });
    if (body.status === "failure") throw new Error(`${TASK} failed: ${body.error.message}`);
    return `${TASK}, in ${body.duration} ms`;
  },
};

/** Sends an email to a recipient who expects it. */
export function emailCheck(tag: string, to: string): Check {
  return {
    name: "luna-consumer sends an email",
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
        if (notSent.has(status)) throw new Error(`it is ${status}: the console has the reason`);
        return {
          over: isSent(status),
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
