import { createConfig, lintFromString } from "@redocly/openapi-core";
import { expect, it } from "vitest";
import { openApiDocument } from "./openapi.ts";
import { modules, operations } from "./operations.ts";

it("the OpenAPI document passes Redocly's recommended rules without a warning", async () => {
  // What it takes for ambiguous, such as email/{id}/resolve and email/dlq/{id}, has never the same
  // method.
  const config = await createConfig({
    extends: ["recommended"],
    rules: { "no-ambiguous-paths": "off" },
  });
  const problems = await lintFromString({
    source: JSON.stringify(openApiDocument(operations, "1.0.0")),
    config,
  });
  expect(
    problems.map(
      ({ ruleId, message, location }) => `${ruleId}: ${message} ${location[0]?.pointer ?? ""}`,
    ),
  ).toEqual([]);
});

it("each operation is exported under its id, as the RPC entrypoint's type has it", () => {
  const exported = modules.flatMap((module) =>
    Object.entries(module).map(([name, { id }]) => [name, id]),
  );
  expect(exported.filter(([name, id]) => name !== id)).toEqual([]);
});
