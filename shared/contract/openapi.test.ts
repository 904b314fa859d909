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

type Described = { [name: string]: unknown };

/** Each schema in the document that describes nothing, by its place. */
function emptySchemas(value: unknown, place: string): string[] {
  if (typeof value !== "object" || value === null) return [];
  const inside = Object.entries(value).flatMap(([name, one]) =>
    emptySchemas(one, `${place}/${name}`),
  );
  const isSchema = /\/(items|schema|additionalProperties|(properties|anyOf)\/[^/]+)$/.test(place);
  return isSchema && Object.keys(value).length === 0 ? [place, ...inside] : inside;
}

it("the OpenAPI document describes each field that is accepted, with entries and formats", () => {
  const document = openApiDocument(operations, "1.0.0");
  const { schemas } = document["components"] as { schemas: Record<string, Described> };
  const paths = document["paths"] as Record<string, Record<string, Described>>;
  const bodies = Object.values(paths).flatMap((methods) =>
    Object.values(methods).map(({ operationId, requestBody }) => [operationId, requestBody]),
  );
  expect(emptySchemas(Object.fromEntries(bodies), "")).toEqual([]);
  // What is not empty in a body may stand in a component. Data of templates, results and details
  // are any JSON.
  expect(emptySchemas(schemas, "").toSorted()).toEqual([
    "/DeadLetter/properties/lastError/additionalProperties",
    "/DeadLetterWithEvents/properties/lastError/additionalProperties",
    "/EmailEvent/properties/detail",
    "/EmailEventData/properties/detail",
    "/NewTemplate/properties/example/additionalProperties",
    "/NewTemplateVersion/properties/example/additionalProperties",
    "/PreviewedTemplate/properties/data/additionalProperties",
    "/PreviewedTemplate/properties/example/additionalProperties",
    "/TaskRun/properties/result",
    "/Template/properties/example/additionalProperties",
    "/TemplateEmail/properties/data/additionalProperties",
    "/TemplateVersion/properties/example/additionalProperties",
    "/TestedTemplate/properties/data/additionalProperties",
  ]);
  expect(schemas["TextEmail"]).toMatchObject({
    required: ["to", "subject", "text"],
    properties: {
      tags: { items: { type: "string" }, maxItems: 10 },
      attachments: {
        items: {
          anyOf: [
            { $ref: "#/components/schemas/Attachment" },
            { $ref: "#/components/schemas/NamedAttachment" },
          ],
        },
        maxItems: 20,
      },
      sendAt: { type: "string", format: "date-time" },
    },
  });
  expect(schemas["WelcomeEmail"]).toMatchObject({
    required: ["to", "template", "data"],
    properties: {
      template: { enum: ["welcome"] },
      data: { $ref: "#/components/schemas/WelcomeData" },
    },
  });
  expect(paths["/api/users/{userId}"]?.["get"]).toMatchObject({
    responses: {
      200: {
        content: {
          "application/json": {
            schema: { properties: { user: { $ref: "#/components/schemas/User" } } },
          },
        },
      },
    },
  });
  // Generators take a field with a default for one that must be sent.
  expect(JSON.stringify(document)).not.toContain('"default":');
});

it("names whom to contact and where the API is", () => {
  expect(openApiDocument(operations, "1", { publicUrl: "https://api.example.com" })).toMatchObject({
    info: { contact: { url: "https://api.example.com" } },
    servers: [{ url: "https://api.example.com" }],
  });
  expect(openApiDocument(operations, "1")).toMatchObject({
    info: { contact: { name: expect.any(String) } },
    servers: [{ url: "/" }],
  });
});

it("each operation is exported under its id, as the RPC entrypoint's type has it", () => {
  const exported = modules.flatMap((module) =>
    Object.entries(module).map(([name, { id }]) => [name, id]),
  );
  expect(exported.filter(([name, id]) => name !== id)).toEqual([]);
});
