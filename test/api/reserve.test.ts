import { env } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { isWrite } from "../../shared/contract/operation.ts";
import { operations } from "../../shared/contract/operations.ts";
import { watchSize } from "../../shared/database/size.ts";
import { fillDatabase, forgetSizes } from "../support/full-database.ts";
import { ask } from "../support/produce.ts";
import { callWith, rowsInAll } from "./support.ts";

/**
 * What operators do while D1 is nearly full, in the room that is kept for it, and while it takes no
 * row at all. Real D1, each write of the API that an operator can make.
 */

/** What makes new emails and accounts. */
const makesNew = new Set<string>(["createUser", "sendEmail", "sendEmails", "testTemplate"]);
const acts = operations
  .filter((one) => isWrite(one) && ["admin", "caller", "self"].includes(one.access))
  .filter(({ id }) => !makesNew.has(id));
const successOf = ({ answers }: (typeof acts)[number]): number =>
  Object.keys(answers).map(Number).toSorted()[0] ?? 200;

beforeEach(() => {
  for (const level of ["warn", "error"] as const) vi.spyOn(console, level).mockReturnValue();
});
afterEach(async () => {
  await forgetSizes(env.DB);
  vi.restoreAllMocks();
});

/** Prepares a request, and sends it once the database is as it shall be. */
async function sent(operation: (typeof acts)[number], become: () => Promise<unknown>) {
  const { path, body, bindings, ...options } = await ask(operation, successOf(operation));
  await become();
  const before = await rowsInAll();
  const answer = await callWith({ ...bindings })(operation.method, path, body, {
    ...options,
    text: true,
  });
  return { answer, before };
}

async function nearlyFull(): Promise<void> {
  const { size_after: bytes } = (await env.DB.prepare("SELECT 1").run()).meta;
  expect((await watchSize(env.DB, bytes / 0.96, Date.now())).refuses).toBe(true);
}

it("the acts of an operator are many, replay, discard and lifting a suppression among them", () => {
  const ids = acts.map(({ id }) => id);
  expect(ids).toEqual(
    expect.arrayContaining(["processDeadLetters", "discardDeadLetter", "unsuppress", "suppress"]),
  );
});

describe("an operator, while D1 is nearly full", () => {
  it.each(acts)("can still do this: $id", async (operation) => {
    const { answer } = await sent(operation, nearlyFull);
    expect(answer.status).toBe(successOf(operation));
  });
});

describe("an operator, while D1 takes no row", () => {
  it.each(acts)("gets the reason or the answer, and nothing is done in part: $id", async (act) => {
    const { answer, before } = await sent(act, () => fillDatabase(env.DB));
    if (answer.status === successOf(act)) return;
    expect(answer.status).toBe(503);
    expect(answer.text).toContain("urn:luna:problem:database-full");
    expect(await rowsInAll()).toEqual(before);
  });
});
