import { expect, it, vi } from "vitest";
import { log } from "./log.ts";
import { currentTraceId, newTraceId, traced, traceIdOf } from "./trace.ts";

const ID = "4bf92f3577b34da6a3ce929d0e0e4736";

it("a caller's traceparent names the trace", () => {
  expect(traceIdOf(`00-${ID}-00f067aa0ba902b7-01`)).toBe(ID);
});

it("a later version may have more parts, the first one may not", () => {
  expect(traceIdOf(`01-${ID}-00f067aa0ba902b7-01-what-else`)).toBe(ID);
  expect(traceIdOf(`00-${ID}-00f067aa0ba902b7-01-what-else`)).toBeNull();
});

it.each([
  ["an empty one", ""],
  ["a forbidden version", `ff-${ID}-00f067aa0ba902b7-01`],
  ["a trace of zeros", `00-${"0".repeat(32)}-00f067aa0ba902b7-01`],
  ["a parent of zeros", `00-${ID}-${"0".repeat(16)}-01`],
  ["capital letters", `00-${ID.toUpperCase()}-00f067aa0ba902b7-01`],
  ["something before it", `x00-${ID}-00f067aa0ba902b7-01`],
  ["no flags", `00-${ID}-00f067aa0ba902b7`],
])("%s is ignored", (_, traceparent) => {
  expect(traceIdOf(traceparent)).toBeNull();
});

it("a new trace has an id that a traceparent could carry, another each time", () => {
  const [one, other] = [newTraceId(), newTraceId()];
  expect(traceIdOf(`00-${one}-00f067aa0ba902b7-01`)).toBe(one);
  expect(one).not.toBe(other);
});

it("each line has the trace that it belongs to, also behind an await; outside of any it has none", async () => {
  const lines: string[] = [];
  const write = vi
    .spyOn(console, "info")
    .mockImplementation((line: string) => void lines.push(line));
  await traced({ traceId: ID, requestId: "r-1" }, async () => {
    await Promise.resolve();
    log("info", "inside");
    log("info", "of_another", { traceId: "f".repeat(32) });
  });
  log("info", "outside");
  write.mockRestore();
  const logged = lines.map(
    (line) => JSON.parse(line) as { event: string; traceId?: string; requestId?: string },
  );
  expect(logged.map(({ event, traceId, requestId }) => [event, traceId, requestId])).toEqual([
    ["inside", ID, "r-1"],
    ["of_another", "f".repeat(32), "r-1"],
    ["outside", undefined, undefined],
  ]);
  expect(currentTraceId()).toBeNull();
});
