import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { expect, it } from "vitest";

/** What an isolate of 128 MiB has for one of the requests that it answers at a time. */
const resourceLimits = { maxOldGenerationSizeMb: 56, maxYoungGenerationSizeMb: 8 };

it.each([
  ["a list of half a million numbers", "JSON.parse(`[${'0,'.repeat(500_000)}0]`)"],
  ["a list of 340,000 objects", "JSON.parse(`[${'{},'.repeat(340_000)}{}]`)"],
])("walks %s in little memory: so much fits into one body", async (_, input) => {
  const source = `import(${JSON.stringify(new URL("well-formed.ts", import.meta.url).href)})
    .then(({ malformedTexts }) => malformedTexts(${input}, new Set(), 20));`;
  const [code] = (await once(new Worker(source, { eval: true, resourceLimits }), "exit")) as [
    number,
  ];
  expect(code).toBe(0);
});
