import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { AnswerBody, CallOutcome } from "./api.ts";

const { Resource } = await vi.hoisted(async () => {
  const nobody = { addEventListener: () => undefined };
  vi.stubGlobal("document", { ...nobody, hidden: false });
  vi.stubGlobal("window", nobody);
  const { session } = await import("./session.ts");
  session.value = { state: "signed-in", token: null, role: "admin", scopes: [], actor: "ada" };
  return await import("./resource.ts");
});

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("several watchers are served at the shortest of their intervals", async () => {
  const read = vi.fn<() => Promise<CallOutcome<AnswerBody<"listAlerts">>>>(async () => ({
    ok: true,
    status: 200,
    body: { firing: [], notices: [], channels: [] },
  }));
  const resource = new Resource<"listAlerts">(read);
  const readIn = async (ms: number): Promise<number> => {
    read.mockClear();
    await vi.advanceTimersByTimeAsync(ms);
    return read.mock.calls.length;
  };
  resource.watch(5_000);
  expect(await readIn(10_000)).toBe(3);
  const leave = resource.watch(2_000);
  expect(await readIn(10_000)).toBe(6);
  leave();
  // The next one was due in 2 s already.
  expect(await readIn(10_000)).toBe(2);
});
