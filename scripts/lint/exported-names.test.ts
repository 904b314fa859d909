import { globSync, readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { operations } from "../../shared/contract/operations.ts";

const declaration = /^export (?:async )?(?:function\*?|const|class|type|interface) (\w+)/gm;

const declaredIn = new Map<string, string[]>();
for (const file of globSync("{shared,workers,scripts}/**/*.{ts,tsx}"))
  for (const [, name = ""] of readFileSync(file, "utf8").matchAll(declaration))
    declaredIn.set(name, [...(declaredIn.get(name) ?? []), file]);

it("an exported name means one thing: only an operation shares its name, with its handler", () => {
  const ids = new Set<string>(operations.map(({ id }) => id));
  const isHandlerOf = (name: string, files: string[]): boolean =>
    ids.has(name) &&
    files.length === 2 &&
    files.some((file) => file.startsWith("shared/contract/")) &&
    files.some((file) => file.startsWith("workers/api/"));
  expect(
    [...declaredIn].filter(([name, files]) => files.length > 1 && !isHandlerOf(name, files)),
  ).toEqual([]);
});
