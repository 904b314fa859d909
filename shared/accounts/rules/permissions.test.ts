import { globSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { permissionsIn, permissionsOf } from "./permissions.ts";

const sources = globSync("{shared,workers}/**/*.ts")
  .filter((file) => !file.endsWith(".test.ts") && !file.endsWith("/rules/permissions.ts"))
  .map((file) => readFileSync(file, "utf8"))
  .join("\n");

it.each([...permissionsOf("enterprise", ["emails:send"]), ...permissionsIn("owner")])(
  "%s opens something: a decision asks for it",
  (permission) => {
    const asks = new RegExp(`(?:can|tierAllows|scopes\\.includes)\\([^()]*"${permission}"\\)`);
    expect(asks.test(sources)).toBe(true);
  },
);
