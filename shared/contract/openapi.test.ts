import { createConfig, lintFromString } from "@redocly/openapi-core";
import { expect, it } from "vitest";
import { openApiDocument } from "./openapi.ts";
import { operations } from "./operations.ts";

it("the OpenAPI document has neither errors nor warnings by Redocly's recommended rules", async () => {
  // What it takes for ambiguous, such as email/{id}/resolve and email/dlq/{id}, has never the same method.
  const config = await createConfig({ extends: ["recommended"], rules: { "no-ambiguous-paths": "off" } });
  const problems = await lintFromString({ source: JSON.stringify(openApiDocument(operations, "1.0.0")), config });
  expect(problems.map(({ ruleId, message, location }) => `${ruleId}: ${message} ${location[0]?.pointer ?? ""}`)).toEqual([]);
});
