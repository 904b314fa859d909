import { describe, expect, it, vi } from "vitest";
import { operations } from "../../shared/contract/operations.ts";
import { problemsByStatus } from "../../shared/contract/problems.ts";
import { ask } from "../support/produce.ts";
import { callDefective, callWith } from "./support.ts";

/**
 * Every answer that the document describes is given by the Worker, and is as described: `call` sees
 * to that.
 */

const cases = operations.flatMap((operation) => {
  const statuses = new Set([
    ...Object.keys(operation.answers).map(Number),
    ...problemsByStatus(operation).keys(),
  ]);
  return [...statuses].map((status) => ({ id: operation.id, status, operation }));
});

describe.each(cases)("$id", ({ operation, status }) => {
  it(`answers ${status}`, async () => {
    for (const level of ["warn", "error"] as const) vi.spyOn(console, level).mockReturnValue();
    const { path, body, bindings, defect, ...options } = await ask(operation, status);
    const send = defect === true ? callDefective : callWith(bindings ?? {});
    const answer = await send(operation.method, path, body, { ...options, text: true });
    expect(answer.status).toBe(status);
    vi.restoreAllMocks();
  });
});
