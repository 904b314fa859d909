import fc from "fast-check";
import { beforeEach, expect, inject, it, vi } from "vitest";
import type { Operation } from "../../shared/contract/operation.ts";
import { operations } from "../../shared/contract/operations.ts";
import type { Answer } from "../support/http.ts";
import { ask } from "../support/produce.ts";
import { callWith } from "./support.ts";

/** A cursor comes back from clients, who may change it. What is no cursor of a list is refused. */

const has = (schema: Operation["query"]): boolean =>
  schema !== undefined && "entries" in schema && "cursor" in (schema.entries as object);

const paged = operations.filter(({ query, body }) => has(query) || has(body));

/** The request that the operation answers 200, with a cursor. */
async function withCursor(operation: Operation, cursor: string): Promise<Answer> {
  const { path, body, bindings, defect: _, ...options } = await ask(operation, 200);
  const url = new URL(path, "http://luna.test");
  if (has(operation.query)) url.searchParams.set("cursor", cursor);
  const sent = has(operation.body) ? { reason: "manual", cursor } : body;
  const at = `${url.pathname}${url.search}`;
  return await callWith(bindings ?? {})(operation.method, at, sent, options);
}

/** Whether it is refused with the name of the field. */
const isRefused = ({ status, body }: Answer): boolean =>
  status === 422 && body.errors.some(({ path }: { path: string }) => path === "cursor");

const wrong = ["", " ", "~", "é~é", "1.5", "-1", "1e3", "1~", "~1", "1.5~a", "-1~a", "1e3~a"];
/** One more digit than a number that is surely safe. */
const tooLong = `${"9".repeat(16)}~1`;
/** Of pings: their numbers. */
const wrongNumbers = ["1~1.5", "1~-1", "1~0", "1~1e3", "1~0x1", "1~a", `1~${"9".repeat(16)}`];
/** The cursor is a key of the cache there. */
const ofKeys = "inspectTag";

beforeEach(() => {
  for (const level of ["warn", "error"] as const) vi.spyOn(console, level).mockReturnValue();
  return () => void vi.restoreAllMocks();
});

it("there are lists, and one has keys as cursors", () => {
  expect(paged.length).toBeGreaterThan(20);
  expect(paged.map(({ id }) => id)).toContain(ofKeys);
});

it.each(paged.filter(({ id }) => id !== ofKeys))(
  "$id refuses by name what is not of the form of its cursors",
  async (operation) => {
    const texts = [...wrong, tooLong, ...(operation.id === "heartbeatHistory" ? wrongNumbers : [])];
    const taken: string[] = [];
    for (const text of texts) if (!isRefused(await withCursor(operation, text))) taken.push(text);
    expect(taken).toEqual([]);
  },
);

it.each(paged)("$id answers any cursor, or refuses it by name", async (operation) => {
  const part = fc.oneof(fc.nat().map(String), fc.double().map(String), fc.string({ maxLength: 9 }));
  const cursor = fc.oneof(
    part,
    fc.tuple(part, part).map((parts) => parts.join("~")),
  );
  await fc.assert(
    fc.asyncProperty(cursor, async (text) => {
      const answer = await withCursor(operation, text);
      expect(answer.status === 200 || isRefused(answer), `${text}: ${answer.status}`).toBe(true);
    }),
    { numRuns: 20, seed: inject("seed") },
  );
});
