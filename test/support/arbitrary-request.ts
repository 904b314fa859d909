import fc from "fast-check";
import { openApiDocument } from "../../shared/contract/openapi.ts";
import { operations } from "../../shared/contract/operations.ts";

/** Requests from the OpenAPI document: right, nearly right, and not at all. */

type Schema = { [name: string]: unknown };
export type FuzzRequest = {
  method: string;
  path: string;
  query: string;
  body: string | null;
  headers: Record<string, string>;
  who: number;
};

/** Values that a schema describes; where it has no rule, anything that JSON can hold. */
function fromSchema(given: Schema): fc.Arbitrary<unknown> {
  const schema = resolved(given);
  if (schema["const"] !== undefined) return fc.constant(schema["const"]);
  if (Array.isArray(schema["enum"])) return fc.constantFrom(...(schema["enum"] as unknown[]));
  const options = schema["anyOf"] ?? schema["oneOf"];
  if (Array.isArray(options)) return fc.oneof(...(options as Schema[]).map(fromSchema));
  switch (schema["type"]) {
    case "string":
      return text(schema);
    case "integer":
    case "number":
      return fc.integer({
        min: Number(schema["minimum"] ?? -10),
        max: Math.min(Number(schema["maximum"] ?? 2_000), 2_000_000_000),
      });
    case "boolean":
      return fc.boolean();
    case "array":
      return fc.array(fromSchema((schema["items"] ?? {}) as Schema), { maxLength: 4 });
    case "object":
      return object(schema);
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

const { schemas: components } = openApiDocument(operations, "1")["components"] as {
  schemas: Record<string, Schema>;
};

function resolved(schema: Schema): Schema {
  const name = /^#\/components\/schemas\/(\w+)$/.exec(String(schema["$ref"]))?.[1];
  return name === undefined ? schema : (components[name] ?? {});
}

function text(schema: Schema): fc.Arbitrary<string> {
  const { pattern, format } = schema;
  if (format === "date-time")
    return fc
      .date({ min: new Date(0), max: new Date("2100-01-01"), noInvalidDate: true })
      .map((date) => date.toISOString());
  if (typeof pattern === "string" && !pattern.includes("(?"))
    return fc.stringMatching(new RegExp(pattern), { size: "small" });
  return fc.oneof(
    fc.string({
      minLength: Number(schema["minLength"] ?? 0),
      maxLength: Math.min(Number(schema["maxLength"] ?? 40), 200),
    }),
    fc.constantFrom("Hello", "a\r\nb", "ada@example.com", "\u0000", "💥"),
  );
}

function object(schema: Schema): fc.Arbitrary<unknown> {
  const required = (schema["required"] ?? []) as string[];
  const properties = Object.entries((schema["properties"] ?? {}) as Record<string, Schema>).map(
    ([name, one]) => {
      return [
        name,
        required.includes(name) ? fromSchema(one) : fc.option(fromSchema(one), { nil: undefined }),
      ] as const;
    },
  );
  return fc.record(Object.fromEntries(properties));
}

/** A value with something wrong somewhere. */
function spoiled(value: unknown): fc.Arbitrary<unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return fc.jsonValue({ maxDepth: 1 });
  const names = Object.keys(value);
  return fc.oneof(
    fc
      .record({
        name: fc.constantFrom("no-such-field", "__proto__", "constructor", ...names),
        put: fc.jsonValue({ maxDepth: 1 }),
      })
      .map(({ name, put }) => ({ ...value, [name]: put })),
    fc
      .constantFrom("", ...names)
      .map((gone) => Object.fromEntries(Object.entries(value).filter(([name]) => name !== gone))),
  );
}

const rawBody = fc.oneof(
  fc.string({ maxLength: 60 }),
  fc.uint8Array({ maxLength: 60 }).map((bytes) => String.fromCharCode(...bytes)),
  fc.json({ maxDepth: 3 }),
  fc.constantFrom(
    "",
    "{",
    "[]",
    "null",
    "0",
    '"text"',
    '{"a":1}{"b":2}',
    "[".repeat(5_000),
    `{"to":"${"a".repeat(3_000)}"}`,
  ),
);

/**
 * @param known values for the parameters of paths, so that some requests are about something that
 * there is
 */
export function requests(
  document: ReturnType<typeof openApiDocument>,
  known: Record<string, string[]>,
): fc.Arbitrary<FuzzRequest> {
  const paths = document["paths"] as Record<string, Record<string, Schema>>;
  const each = operations.map((operation): fc.Arbitrary<FuzzRequest> => {
    const described =
      paths[operation.path.replace(/:(\w+)/g, "{$1}")]?.[operation.method.toLowerCase()] ?? {};
    const parameters = (described["parameters"] ?? []) as {
      name: string;
      in: string;
      required: boolean;
      schema: Schema;
    }[];
    const inPath = parameters.filter((one) => one.in === "path");
    const inQuery = parameters.filter((one) => one.in === "query");
    const body = (
      described["requestBody"] as { content?: Record<string, { schema?: Schema }> } | undefined
    )?.content?.["application/json"]?.schema;
    const params = fc.record(
      Object.fromEntries(
        inPath.map(({ name, schema }) => [
          name,
          fc.oneof(
            { weight: 3, arbitrary: fc.constantFrom(...(known[name] ?? ["x"])) },
            {
              weight: 1,
              arbitrary: fc.oneof(fromSchema(schema), fc.string({ minLength: 1, maxLength: 20 })),
            },
          ),
        ]),
      ),
    );
    const query = fc.record(
      Object.fromEntries(
        inQuery.map(({ name, schema, required }) => [
          name,
          required
            ? fromSchema(schema)
            : fc.option(fromSchema(schema), { nil: undefined, freq: 2 }),
        ]),
      ),
    );
    const json =
      body === undefined
        ? fc.constant(null)
        : fromSchema(body)
            .chain((value) =>
              fc.oneof(
                { weight: 2, arbitrary: fc.constant(value) },
                { weight: 1, arbitrary: spoiled(value) },
              ),
            )
            .map((value) => JSON.stringify(value) ?? "");
    return fc
      .record({
        params,
        query,
        extra: fc.oneof(
          { weight: 9, arbitrary: fc.constant("") },
          {
            weight: 1,
            arbitrary: fc.constantFrom("x=1", "limit=-1", "cursor=%00", "%", "limit=1&limit=2"),
          },
        ),
        json,
        raw: rawBody,
        isRaw: fc.integer({ min: 0, max: 5 }),
        method: fc.oneof(
          { weight: 20, arbitrary: fc.constant<string>(operation.method) },
          { weight: 1, arbitrary: fc.constantFrom("PUT", "OPTIONS", "HEAD", "PATCH", "DELETE") },
        ),
        type: fc.oneof(
          { weight: 15, arbitrary: fc.constant("application/json") },
          {
            weight: 1,
            arbitrary: fc.constantFrom(
              "text/plain",
              "application/json; charset=utf-16",
              "multipart/form-data",
            ),
          },
        ),
        key: fc.option(
          fc.string({ maxLength: 10 }).map((one) => one.replaceAll(/[^\u0020-\u007e]/g, "")),
          { nil: undefined, freq: 1 },
        ),
        who: fc.integer({ min: 0, max: 99 }),
      })
      .map(
        ({
          params: values,
          query: asked,
          extra,
          json: sent,
          raw,
          isRaw,
          method,
          type,
          key,
          who,
        }): FuzzRequest => {
          const path = operation.path.replace(/:(\w+)/g, (_, name: string) =>
            encodeURIComponent(textOf(values[name])).replaceAll("%2F", "/"),
          );
          const search = new URLSearchParams(
            Object.entries(asked).flatMap(([name, value]) =>
              value === undefined ? [] : [[name, textOf(value)]],
            ),
          );
          const noBody = method === "GET" || method === "HEAD";
          return {
            method,
            path,
            query: [search.toString(), extra].filter((part) => part !== "").join("&"),
            body: noBody ? null : isRaw === 0 ? raw : sent,
            headers: {
              ...(noBody ? {} : { "Content-Type": type }),
              ...(key !== undefined && { "Idempotency-Key": key }),
            },
            who,
          };
        },
      );
  });
  const nowhere = fc.webPath().map((path): FuzzRequest => ({
    method: "GET",
    path: path === "" ? "/" : path,
    query: "",
    body: null,
    headers: {},
    who: 0,
  }));
  return fc.oneof({ weight: 30, arbitrary: fc.oneof(...each) }, { weight: 1, arbitrary: nowhere });
}

const textOf = (value: unknown): string =>
  typeof value === "string" ? value : (JSON.stringify(value) ?? "");
