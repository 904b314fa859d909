import * as v from "valibot";
import { eventSchemas, eventTypes } from "../webhooks/rules/events.ts";
import { jsonSchemas, type JsonSchemas } from "./json-schemas.ts";
import { isPage, problem, type Access, type Answer, type Operation } from "./operation.ts";
import { problemsByStatus } from "./problems.ts";
import { scopeNamed } from "./scopes.ts";

/**
 * The OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.1), made of the schemas that
 * validate. Pure.
 */

type Json = { [name: string]: unknown };

const accessText: Record<Access, string> = {
  anyone: "Anyone.",
  admin: "An operator.",
  viewer: "An operator.",
  user: "A user's key.",
  reader: "A user's or a team's key, or an operator.",
  caller: "A user's or a team's key, or an operator.",
  person: "A user's key, or an operator.",
  self: "An operator, or a key of the user in the path.",
  mailer: "An operator, or the key of a user or team that may send emails.",
};

const tags = [
  { name: "accounts", description: "Users and their data, read through the cache." },
  { name: "keys", description: "API keys of users, teams and operators, with scopes." },
  { name: "teams", description: "Teams, their members, and workspaces." },
  {
    name: "emails",
    description: "Transactional emails: accepted once, sent once, or listed as dead or unknown.",
  },
  { name: "operations", description: "Operators' views and commands." },
  { name: "heartbeats", description: "Jobs that run elsewhere, watched by their pings." },
  { name: "webhooks", description: "Events to endpoints; calls by providers and recipients." },
];

/** `publicUrl`: where the API is reached, if that is known. */
type About = { name?: string; publicUrl?: string | null };

export function openApiDocument(
  operations: readonly Operation[],
  version: string,
  { name = "Luna", publicUrl = null }: About = {},
): Json {
  const schemas = jsonSchemas([
    problem,
    ...operations.flatMap(schemasOf),
    ...Object.values(eventSchemas),
  ]);
  const paths: Record<string, Json> = {};
  for (const operation of operations) {
    const path = operation.path.replace(/:(\w+)/g, "{$1}");
    const described = operationObject(operation, schemas);
    paths[path] = { ...paths[path], [operation.method.toLowerCase()]: described };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: name,
      version,
      description:
        "Accounts, teams, cache, transactional email and scheduled work on Cloudflare Workers. " +
        "Errors are RFC 9457 problem documents.",
      contact: {
        name: "The operators of this deployment",
        ...(publicUrl !== null && { url: publicUrl }),
      },
      license: { name: "MIT", identifier: "MIT" },
    },
    servers: [{ url: publicUrl ?? "/" }],
    tags,
    paths,
    webhooks: webhooksObject(schemas),
    components: {
      securitySchemes: {
        bearer: {
          type: "http",
          scheme: "bearer",
          description: "An API key, ADMIN_TOKEN or READONLY_TOKEN.",
        },
      },
      schemas: schemas.components,
    },
  };
}

const signedHeaders = Object.entries({
  "webhook-id": "The same for each repeat of an event.",
  "webhook-timestamp": "When the call was signed, in seconds since the epoch.",
  "webhook-signature": "Of Standard Webhooks: standardwebhooks.com.",
}).map(([name, description]) => {
  const schema = { type: "string" };
  return { name, in: "header", required: true, description, schema };
});

/** What endpoints get. Each call is signed by Standard Webhooks. */
function webhooksObject(schemas: JsonSchemas): Json {
  const webhooks = eventTypes.map((type) => {
    const content = { "application/json": { schema: schemas.of(eventSchemas[type]) } };
    const post = {
      operationId: type.replace(".", "_"),
      summary: `The event ${type}.`,
      tags: ["webhooks"],
      security: [],
      parameters: signedHeaders,
      requestBody: { required: true, content },
      responses: { "2XX": { description: "Taken. Any other answer is a failure." } },
    };
    return [type, { post }] as const;
  });
  return Object.fromEntries(webhooks);
}

const isSchema = (answer: Answer): answer is v.GenericSchema =>
  answer !== null && !("mediaType" in answer);

/** Every schema of an operation. */
function schemasOf({ params = {}, query, body, answers }: Operation): v.GenericSchema[] {
  return [
    ...Object.values(params).map(({ schema }) => schema),
    ...[query, body].filter((schema) => schema !== undefined),
    ...Object.values(answers).filter(isSchema),
  ];
}

function operationObject(operation: Operation, schemas: JsonSchemas): Json {
  const { id, summary, tag, access, body, upload, answers } = operation;
  const responses = Object.entries(answers).map(
    ([status, answer]) => [status, answerObject(answer, schemas, operation.page === true)] as const,
  );
  const problems = [...problemsByStatus(operation)]
    .filter(([status]) => answers[status] === undefined)
    .map(
      ([status, problemTags]) =>
        [String(status), problemObject(problemTags, isPage(operation))] as const,
    );
  return {
    operationId: id,
    summary,
    description: whoMayCall(operation),
    tags: [tag],
    security: access === "anyone" ? [] : [{ bearer: [] }],
    parameters: parametersOf(operation, schemas),
    ...(body !== undefined && {
      requestBody: {
        required: !v.is(body, {}),
        content: { "application/json": { schema: schemas.of(body) } },
      },
    }),
    ...(upload !== undefined && { requestBody: { required: true, content: anyFile } }),
    responses: Object.fromEntries([...responses, ...problems]),
  };
}

function whoMayCall({ id, access }: Operation): string {
  const scope = scopeNamed(id);
  return `Who: ${accessText[access]}${scope === null ? "" : ` Scope: ${scope}.`}`;
}

const ifMatch = {
  name: "If-Match",
  in: "header",
  required: false,
  description: "The ETag of the object as it was read, or *.",
  schema: { type: "string" },
};

/** Generators know the first; the server takes each. */
const anyFile: Json = {
  "application/octet-stream": { schema: { type: "string", format: "binary" } },
  "*/*": {},
};

function parametersOf(
  { path, params, query, idempotent, conditional }: Operation,
  schemas: JsonSchemas,
) {
  const inPath = [...path.matchAll(/:(\w+)/g)].map(([, name = ""]) => {
    const schema = params?.[name]?.schema;
    return {
      name,
      in: "path",
      required: true,
      schema: schema === undefined ? { type: "string" } : schemas.of(schema),
    };
  });
  const asked = query === undefined ? { properties: {} } : schemas.of(query);
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
  return [
    ...inPath,
    ...inQuery,
    ...(idempotent === true ? [key] : []),
    ...(conditional === true ? [ifMatch] : []),
  ];
}

function answerObject(answer: Answer, schemas: JsonSchemas, isAlsoPage: boolean): Json {
  const headers = {
    "X-Request-Id": { description: "Names this request in the log.", schema: { type: "string" } },
  };
  if (answer === null) return { description: "Done.", headers };
  if (!isSchema(answer))
    return { description: "A document.", headers, content: { [answer.mediaType]: {} } };
  return {
    description: "The answer.",
    headers,
    content: {
      "application/json": { schema: schemas.of(answer) },
      ...(isAlsoPage && { "text/html": {} }),
    },
  };
}

function problemObject(problemTags: readonly string[], inBrowser: boolean): Json {
  return {
    description: problemTags.join(", "),
    content: {
      "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } },
      ...(inBrowser && { "text/html": {} }),
    },
  };
}
