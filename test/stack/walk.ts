import { expect } from "vitest";
import { step, steps, type Part, type Which } from "../support/runbooks.ts";
import type { useStack } from "./support.ts";

/** Walks through the pages of `docs/operate/runbooks` on a stack. */
export function walkerOn({ call, db }: ReturnType<typeof useStack>) {
  /** One that does not return rows. */
  const run = async (sql: string): Promise<void> => void (await (await db()).prepare(sql).run());

  return {
    run,
    /** Makes a request of a page. */
    async walk(name: string, part: Part, operationId: string, which: Which = {}) {
      const { method, path, body } = step(name, part, operationId, which);
      const answer = await call(method, path, body);
      if (answer.status >= 400)
        throw new Error(
          `${method} ${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`,
        );
      return answer;
    },
    /** Makes every request under "Look": each is answered. */
    async look(name: string, filled: Record<string, string> = {}): Promise<void> {
      for (const { method, path, body } of steps(name, "look", filled)) {
        expect((await call(method, path, body, { text: true })).status, `${method} ${path}`).toBe(
          200,
        );
      }
    },
    health: async () => (await call("GET", "/health")).body,
    breaker: async (name: string) =>
      (await call("GET", "/api/admin/circuit-breakers")).body.items.find(
        (item: { name: string }) => item.name === name,
      ),
    /** @returns the key of the new user */
    signUp: async (userId: string): Promise<string> =>
      (await call("POST", "/api/users", { userId, email: `${userId}@example.com` })).body
        .apiKey as string,
    /** An email that is due for minutes and has no notification. */
    forgottenEmail: async (id: string): Promise<void> =>
      await run(
        `INSERT INTO emails (id, tenant, generation_at, status, from_address, to_address, subject,
          text, due_at, ring_after, created_at, updated_at)
         VALUES ('${id}', 'admin', 0, 'queued', 'Luna <hello@luna.example>', 'ada@example.com',
           'Hello', 'Hi', 0, ${Date.now() + 900_000}, 0, 0)`,
      ),
  };
}
