import { globSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";

it("only the purge outbox names its table", () => {
  const naming = globSync(["shared/**/*.ts", "workers/**/*.{ts,tsx}"], {
    exclude: ["**/*.test.ts"],
  }).filter((file) => readFileSync(file, "utf8").includes("purge_intents"));
  expect(naming).toEqual(["shared/database/purge-outbox/pending-purges.ts"]);
});
