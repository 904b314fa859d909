import { problemHelp } from "../../shared/http/problem-help.ts";
import { httpStatusOf } from "../../shared/http/problem.ts";
import { escaped, type Page } from "./page.ts";

/** What the page shows of an OpenAPI document. */
export type OpenApi = {
  info: { title: string; version: string; description: string };
  tags: { name: string; description: string }[];
  paths: Record<string, Record<string, OperationObject>>;
  components: { schemas: Record<string, unknown> };
};

type OperationObject = {
  operationId: string;
  summary: string;
  description: string;
  tags: string[];
  parameters: { name: string; in: string; required: boolean; schema: unknown }[];
  requestBody?: { content: Record<string, { schema: unknown }> };
  responses: Record<
    string,
    { description: string; content?: Record<string, { schema?: unknown }> }
  >;
};

const style = `:root{color-scheme:light dark;--line:#d8d8e2;--soft:#f4f4f8;--accent:#4b3fce}
@media (prefers-color-scheme:dark){:root{--line:#34344a;--soft:#1d1d2a;--accent:#a79fff}}
body{margin:0 auto;max-width:60rem;padding:1rem;font:16px/1.5 system-ui,sans-serif}
h1,h2{line-height:1.2}h2{margin-top:2.5rem;text-transform:capitalize}
details{border:1px solid var(--line);border-radius:8px;margin:.5rem 0;padding:0 1rem}
summary{cursor:pointer;padding:.6rem 0;overflow-wrap:anywhere}
summary b{display:inline-block;min-width:4.5rem;color:var(--accent)}
pre{background:var(--soft);padding:1rem;border-radius:8px}
pre{overflow:auto;max-height:24rem;font-size:.85rem}
table{border-collapse:collapse;width:100%}td,th{border-bottom:1px solid var(--line)}
td,th{padding:.3rem .5rem;text-align:left;vertical-align:top;overflow-wrap:anywhere}
a{color:var(--accent)}`;

/** The document as a page to read: each operation under its tag, to unfold. */
export function docsPage({ info, tags, paths, components }: OpenApi): Page {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const sections = tags.map(({ name, description }) => {
    const own = operations.filter(({ operation }) => operation.tags.includes(name));
    const heading = `<h2>${escaped(name)}</h2><p>${escaped(description)}</p>`;
    return `<section>${heading}${own.map(operationHtml).join("")}</section>`;
  });
  const schemas = Object.entries(components.schemas).map(
    ([name, schema]) =>
      `<details id="schema-${name}"><summary><code>${name}</code></summary>` +
      `${schemaHtml(schema)}</details>`,
  );
  const body = `<main><h1>${escaped(info.title)} ${escaped(info.version)}</h1>
<p>${escaped(info.description)}
The same for machines: <a href="/openapi.json">openapi.json</a>.</p>${sections.join("")}
<section><h2>Problems</h2><p>Each answer that refuses a request has one of these types, with
urn:luna:problem: before it.</p>${problemRows()}</section>
<section><h2>Schemas</h2><p>What the operations refer to.</p>${schemas.join("")}</section></main>`;
  return { title: `${info.title}: the API`, style, body };
}

function problemRows(): string {
  const tags = (Object.keys(httpStatusOf) as (keyof typeof httpStatusOf)[]).toSorted();
  const rows = tags.map((tag) => {
    const { cause, action } = problemHelp[tag];
    const cells = [tag, String(httpStatusOf[tag]), cause, action].map(
      (cell) => `<td>${escaped(cell)}</td>`,
    );
    return `<tr id="problem-${tag}">${cells.join("")}</tr>`;
  });
  const head = "<tr><th>Type</th><th>Status</th><th>Cause</th><th>What to do</th></tr>";
  return `<table>${head}${rows.join("")}</table>`;
}

function operationHtml({
  path,
  method,
  operation,
}: {
  path: string;
  method: string;
  operation: OperationObject;
}): string {
  const { operationId, summary, description, parameters, requestBody, responses } = operation;
  const rows = parameters.map(
    (one) =>
      `<tr><td>${escaped(one.name)}</td><td>${one.in}${one.required ? ", required" : ""}</td>` +
      `<td>${schemaText(one.schema)}</td></tr>`,
  );
  const answers = Object.entries(responses).map(([status, answer]) => {
    const schema = Object.values(answer.content ?? {}).find(
      (one) => one.schema !== undefined && !isProblem(one.schema),
    )?.schema;
    const described = schema === undefined ? "" : schemaHtml(schema);
    return `<tr><td>${status}</td><td>${escaped(answer.description)}${described}</td></tr>`;
  });
  const body = Object.values(requestBody?.content ?? {})[0]?.schema;
  const parameterRows = `<tr><th>Parameter</th><th>Where</th><th>Schema</th></tr>${rows.join("")}`;
  return `<details id="${operationId}"><summary><b>${method.toUpperCase()}</b>
<code>${escaped(path)}</code><br>${escaped(summary)}</summary>
<p>${escaped(description)}</p>
${rows.length === 0 ? "" : `<table>${parameterRows}</table>`}
${body === undefined ? "" : `<p>Body</p>${schemaHtml(body)}`}
<table><tr><th>Status</th><th>Answer</th></tr>${answers.join("")}</table></details>`;
}

const isProblem = (schema: unknown): boolean =>
  JSON.stringify(schema) === '{"$ref":"#/components/schemas/Problem"}';
const schemaText = (schema: unknown): string => `<code>${escaped(JSON.stringify(schema))}</code>`;
const schemaHtml = (schema: unknown): string =>
  `<pre tabindex="0">${escaped(JSON.stringify(schema, null, 2))}</pre>`;
