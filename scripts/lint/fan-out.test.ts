import { globSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";

/** Lists that no platform call is made for, or that are short by what they hold. */
const others: Record<string, string> = {
  "shared/alerts/watch.ts": "two channels, each of which waits for its own notices",
  "shared/email/delivery/deliver.ts": "a group of at most five hand-overs under one lease",
  "shared/lib/cache/tags/isolate/look-ups.ts": "waits for batches that run one after the other",
  "shared/lib/cache/tags/object/reclaim.ts": "groups of six",
  "shared/lib/worker/fan-out.ts": "the helper itself",
  "shared/schedule/execution.ts": "tasks do not wait for each other; each has calls of its own",
  "shared/schedule/runner.ts": "waits for work that a task has begun",
  "workers/api/dispatch.ts": "matches paths, without a remote call",
};

it("remote calls for a list go through fanOut, so that they do not wait for a connection", () => {
  const files = globSync("{shared,workers}/**/*.ts").filter(
    (file) => !file.endsWith(".test.ts") && !file.startsWith("workers/api/console/"),
  );
  const list = /Promise\.(?:all|allSettled)\(\s*(?:\[\s*\.\.\.|[^[\s])/;
  expect(
    files.filter((file) => !(file in others) && list.test(readFileSync(file, "utf8"))),
  ).toEqual([]);
});
