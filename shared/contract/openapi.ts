import { toJsonSchema, type ConversionConfig, type JsonSchema } from "@valibot/to-json-schema";
import * as v from "valibot";
import { problem, type Access, type Answer, type Operation } from "./operation.ts";
import { problemsByStatus } from "./problems.ts";

/**
 * The OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.1), made of the schemas that
 * validate. Pure.
 */

type Json = { [name: string]: unknown };

const accessText: Record<Access, string> = {
  anyone: "Anyone.",
  admin: "The admin.",
  viewer: "The admin, or the read-only token.",
  user: "A user's key.",
  reader: "A user's key, the admin, or the read-only token.",
  caller: "A user's key, or the admin.",
  self: "The admin, or the key of the user in the path.",
  mailer: "The admin, or a key with the scope emails:send.",
};

const tags = [
  { name: "accounts", description: "Users and their data, read through the cache." },
  { name: "teams", description: "Teams, their members, and workspaces." },
  {
    name: "emails",
    description: "Transactional emails: accepted once, sent once, or listed as dead or unknown.",
  },
  { name: "operations", description: "Operators' views and commands." },
  { name: "webhooks", description: "Calls by providers and recipients." },
];

export function openApiDocument(operations: readonly Operation[], version: string): Json {
  const paths: Record<string, Json> = {};
  for (const operation of operations) {
    const path = operation.path.replace(/:(\w+)/g, "{$1}");
    paths[path] = { ...paths[path], [operation.method.toLowerCase()]: operationObject(operation) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Luna",
      version,
      description:
        "Accounts, teams, cache, transactional email and scheduled work on Cloudflare Workers. " +
        "Errors are RFC 9457 problem documents.",
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: "/" }],
    tags,
    paths,
    components: {
      securitySchemes: {
        bearer: {
          type: "http",
          scheme: "bearer",
          description: "ADMIN_TOKEN, READONLY_TOKEN or a user's API key.",
        },
      },
      schemas: { Problem: jsonSchema(problem) },
    },
  };
}

function operationObject(operation: Operation): Json {
  const { id, summary, tag, access, body, answers } = operation;
  const responses = Object.entries(answers).map(
    ([status, answer]) => [status, answerObject(answer)] as const,
  );
  const problems = [...problemsByStatus(operation)]
    .filter(([status]) => answers[status] === undefined)
    .map(([status, problemTags]) => [String(status), problemObject(problemTags)] as const);
  return {
    operationId: id,
    summary,
    description: `Who: ${accessText[access]}`,
    tags: [tag],
    security: access === "anyone" ? [] : [{ bearer: [] }],
    parameters: parametersOf(operation),
    ...(body !== undefined && {
      requestBody: {
        required: !v.is(body, {}),
        content: { "application/json": { schema: jsonSchema(body) } },
      },
    }),
    responses: Object.fromEntries([...responses, ...problems]),
  };
}

function parametersOf({ path, params, query, idempotent }: Operation): Json[] {
  const inPath = [...path.matchAll(/:(\w+)/g)].map(([, name = ""]) => {
    const schema = params?.[name]?.schema;
    return {
      name,
      in: "path",
      required: true,
      schema: schema === undefined ? { type: "string" } : jsonSchema(schema),
    };
  });
  const asked = query === undefined ? { properties: {} } : jsonSchema(query);
  const required = asked.required ?? [];
  const inQuery = Object.entries(asked.properties ?? {}).map(([name, schema]) => ({
    name,
    in: "query",
    required: required.includes(name),
    schema,
  }));
  const key = {
    name: "Idempotency-Key",
    in: "header",
    required: false,
    schema: { type: "string", pattern: "^[!-~]{1,255}$" },
  };
  return [...inPath, ...inQuery, ...(idempotent === true ? [key] : [])];
}

function answerObject(answer: Answer): Json {
  const headers = {
    "X-Request-Id": { description: "Names this request in the log.", schema: { type: "string" } },
  };
  if (answer === null) return { description: "Done.", headers };
  if ("mediaType" in answer)
    return { description: "A document.", headers, content: { [answer.mediaType]: {} } };
  return {
    description: "The answer.",
    headers,
    content: { "application/json": { schema: jsonSchema(answer) } },
  };
}

function problemObject(problemTags: readonly string[]): Json {
  return {
    description: problemTags.join(", "),
    content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
  };
}

const config: ConversionConfig = {
  target: "draft-2020-12",
  typeMode: "input",
  // JSON Schema cannot express every rule, such as "only one of two fields". The server names the
  // field in its answer.
  errorMode: "ignore",
  overrideSchema({ valibotSchema, jsonSchema: converted }) {
    // `shortList` checks the length first: its last schema describes the entries.
    const pipe = (valibotSchema as { pipe?: v.GenericSchema[] }).pipe ?? [];
    const schemas = pipe.filter(({ kind }) => kind === "schema");
    const last = schemas.at(-1);
    if (schemas.length > 1 && last !== undefined && last.type === "array")
      return { ...converted, ...jsonSchema(last) };
    return undefined;
  },
};

function jsonSchema(schema: v.GenericSchema): JsonSchema {
  const { $schema: _, ...converted } = toJsonSchema(schema, config);
  return converted;
}
