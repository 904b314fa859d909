import { expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import type { Fault } from "../support/sink.ts";
import { useStack } from "./support.ts";

/** A provider that limits how many emails it takes. */

const stack = useStack();

const PER_SECOND = 20;
const PER_CONNECTION = 3;
const EMAILS = 100;

/** What it answers to one email too many, in a second or on a connection. */
function throttling(): typeof stack.sink.fault {
  const byConnection = new Map<string, number>();
  let taken: number[] = [];
  return (phase, _to, connection): Fault | null => {
    if (phase === "mail") {
      const emails = (byConnection.get(connection) ?? 0) + 1;
      byConnection.set(connection, emails);
      const text = "4.7.1 too many messages on this connection";
      return emails > PER_CONNECTION ? { phase, do: "refuse", code: 450, text } : null;
    }
    if (phase !== "data") return null;
    const now = Date.now();
    taken = taken.filter((at) => at > now - 1_000);
    if (taken.length >= PER_SECOND)
      return { phase, do: "refuse", code: 454, text: "4.7.0 throttled: rate exceeded" };
    taken.push(now);
    return null;
  };
}

it("takes 100 emails at its rate: none is dead, none arrives twice, none uses an attempt, its breaker is closed", async () => {
  stack.sink.fault = throttling();
  const emails = Array.from({ length: EMAILS }, (_, n) => ({
    to: `n${n}@example.com`,
    subject: "Hi",
    text: "Hi",
  }));
  await stack.call("POST", "/api/emails/batch", { emails });
  const db = await stack.db();
  await eventually(async () => {
    const { results } = await db
      .prepare("SELECT status, MAX(attempts) AS attempts, COUNT(*) AS n FROM emails GROUP BY 1")
      .all();
    expect(results).toEqual([{ status: "sent", attempts: 1, n: EMAILS }]);
  });
  expect(new Set(stack.sink.delivered.map(({ to }) => to)).size).toBe(EMAILS);
  expect(stack.sink.delivered).toHaveLength(EMAILS);
  expect(stack.sink.attempts.length).toBeGreaterThan(EMAILS);

  const breaker = await stack.call("GET", "/api/admin/circuit-breakers/email%3Asmtp");
  expect(breaker.body).toMatchObject({ state: "CLOSED", failures: 0 });
  const { body } = await stack.call("GET", "/api/admin/email/transports");
  const smtp = body.items.find(({ name }: { name: string }) => name === "smtp");
  expect(smtp.slowedAt).toEqual(expect.any(String));
  expect(smtp.ratePerSecond).toBeGreaterThan(0);
});
