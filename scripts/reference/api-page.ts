/** `docs/reference/api.md`, from the OpenAPI document. Pure. */

type Schema = {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  anyOf?: Schema[];
  allOf?: Schema[];
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: Schema | boolean;
  format?: string;
  pattern?: string;
};
type Content = Record<string, { schema?: Schema }>;
type Described = {
  operationId: string;
  summary: string;
  description: string;
  tags: string[];
  parameters: { name: string; in: string; required: boolean; schema: Schema }[];
  requestBody?: { content: Content };
  responses: Record<string, { description: string; content?: Content }>;
};
type OpenApiDocument = {
  tags: { name: string; description: string }[];
  paths: Record<string, Record<string, Described>>;
  components: { schemas: Record<string, Schema> };
};

const HEAD = `# HTTP API

Every operation of the HTTP API: its path, callers, input, answers and problems.
\`npm run reference\` writes this page from the contract in \`shared/contract\`.
A running Luna serves the same as \`GET /openapi.json\` and, for people, as \`GET /docs\`.

**Before you start:** you need a token. Read [the rules of the API](api-rules.md) first.

Every operation may also answer 414 \`uri-too-long\`, 429 \`rate-limited\`, 431
\`headers-too-large\` and 500 \`internal\`: see [errors](errors.md).
`;

/** Any request may be too long, too frequent, or meet a defect. */
const OF_EVERY_OPERATION = new Set(["414", "429", "431", "500"]);

const NEXT = `## Next

[Errors](errors.md) · [who may call what](access.md) · [the typed client](typescript.md)
`;

export function apiPage(document: OpenApiDocument): string {
  const all = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const sections = document.tags.map(({ name, description }) => {
    const own = all.filter(({ operation }) => operation.tags.includes(name));
    return [
      `## ${name.slice(0, 1).toUpperCase()}${name.slice(1)}`,
      description,
      ...own.map(operationText),
    ].join("\n\n");
  });
  const types = Object.entries(document.components.schemas)
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, schema]) => `type ${name} = ${typeText(schema, "")};`);
  return [HEAD, ...sections, `## Types\n\n\`\`\`ts\n${types.join("\n\n")}\n\`\`\``, NEXT]
    .join("\n\n")
    .replace(/\n{3,}/g, "\n\n");
}

type Placed = { path: string; method: string; operation: Described };

function operationText({ path, method, operation }: Placed): string {
  const { operationId, summary, description, parameters, requestBody, responses } = operation;
  const shown = path.replace(/\{(\w+)\}/g, ":$1");
  const query = parameters.filter((one) => one.in === "query");
  const header = parameters.filter((one) => one.in === "header");
  const body = Object.values(requestBody?.content ?? {})[0]?.schema;
  const answers = Object.entries(responses).filter(([status]) => Number(status) < 400);
  const refusals = Object.entries(responses).filter(
    ([status]) => Number(status) >= 400 && !OF_EVERY_OPERATION.has(status),
  );
  const asked = {
    properties: Object.fromEntries(query.map(({ name, schema }) => [name, schema])),
    required: query.flatMap(({ name, required }) => (required ? [name] : [])),
  };
  return [
    `### ${method.toUpperCase()} \`${shown}\``,
    wrapped(summary),
    `- Operation: \`${operationId}\`\n- ${description}`,
    ...(query.length === 0 ? [] : [block("Query", asked)]),
    ...(header.length === 0 ? [] : [`Header: \`${header.map(({ name }) => name).join("`, `")}\``]),
    ...(body === undefined ? [] : [block("Body", body)]),
    ...answers.map(([status, { content }]) => answerText(status, content)),
    ...(refusals.length === 0
      ? []
      : [
          wrapped(
            `Problems: ${refusals.map(([status, text]) => problemText(status, text)).join("; ")}.`,
          ),
        ]),
  ].join("\n\n");
}

function answerText(status: string, content: Content | undefined): string {
  const [[mediaType, media] = []] = Object.entries(content ?? {});
  if (mediaType === undefined) return `Answer ${status}: no body.`;
  return media?.schema === undefined
    ? `Answer ${status}: \`${mediaType}\`.`
    : block(`Answer ${status}`, media.schema);
}

const problemText = (status: string, { description }: { description: string }): string =>
  /^[a-z-]+(, [a-z-]+)*$/.test(description)
    ? `${status} ${description
        .split(", ")
        .map((tag) => `\`${tag}\``)
        .join(", ")}`
    : status;

const block = (title: string, schema: Schema): string =>
  `${title}:\n\n\`\`\`ts\n${typeText(schema, "")}\n\`\`\``;

/** Leaves room for the name of a field before the type. */
const WIDTH = 70;

/** A schema as a TypeScript type, on one line where it fits. */
function typeText(schema: Schema, indent: string): string {
  const { $ref, anyOf, allOf, items, properties, additionalProperties } = schema;
  if ($ref !== undefined) return $ref.split("/").at(-1) ?? "";
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum !== undefined)
    return unionText(
      schema.enum.map((one) => JSON.stringify(one)),
      indent,
    );
  if (anyOf !== undefined)
    return unionText(
      anyOf.map((one) => typeText(one, indent)),
      indent,
    );
  if (allOf !== undefined) return allOf.map((one) => typeText(one, indent)).join(" & ");
  if (properties !== undefined) return objectText(schema, indent);
  if (items !== undefined) return arrayOf(typeText(items, indent));
  if (typeof additionalProperties === "object")
    return `Record<string, ${typeText(additionalProperties, indent)}>`;
  const { type = "unknown" } = schema;
  return [type].flat().map(scalar).join(" | ");
}

const scalar = (type: string): string => (type === "integer" ? "number" : type);
const arrayOf = (item: string): string =>
  /[ |&]/.test(item) && !item.startsWith("{") ? `(${item})[]` : `${item}[]`;

function unionText(options: string[], indent: string): string {
  const texts = [...new Set(options)];
  const line = texts.join(" | ");
  return line.length + indent.length <= WIDTH && !line.includes("\n")
    ? line
    : texts.map((text) => `\n${indent}  | ${text.replaceAll("\n", "\n  ")}`).join("");
}

function objectText({ properties = {}, required = [] }: Schema, indent: string): string {
  const inner = `${indent}  `;
  const fields = Object.entries(properties)
    .map(
      ([name, schema]) =>
        (/^\w+$/.test(name) ? name : JSON.stringify(name)) +
        (required.includes(name) ? ": " : "?: ") +
        typeText(schema, inner),
    )
    .map((field) => field.replace(": \n", ":\n"));
  if (fields.length === 0) return "{}";
  const line = `{ ${fields.join("; ")} }`;
  return line.length + indent.length <= WIDTH && !line.includes("\n")
    ? line
    : `{\n${fields.map((field) => `${inner}${field};`).join("\n")}\n${indent}}`;
}

/** Prose in lines of at most 100 columns. */
export function wrapped(text: string): string {
  return text.replace(/(?=.{101})(.{1,100}) /g, "$1\n");
}
