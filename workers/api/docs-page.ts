import type { Page } from "./page.ts";

/** What the page shows of an OpenAPI document. */
export type OpenApi = {
  info: { title: string; version: string; description: string };
  tags: { name: string; description: string }[];
  paths: Record<string, Record<string, OperationObject>>;
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
export function docsPage({ info, tags, paths }: OpenApi): Page {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const sections = tags.map(({ name, description }) => {
    const own = operations.filter(({ operation }) => operation.tags.includes(name));
    const heading = `<h2>${escaped(name)}</h2><p>${escaped(description)}</p>`;
    return `<section>${heading}${own.map(operationHtml).join("")}</section>`;
  });
  const body = `<main><h1>${escaped(info.title)} ${escaped(info.version)}</h1>
<p>${escaped(info.description)}
The same for machines: <a href="/openapi.json">openapi.json</a>.</p>${sections.join("")}</main>`;
  return { title: "Luna: the API", style, body };
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
      (one) => one.schema !== undefined && !isReference(one.schema),
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

const isReference = (schema: unknown): boolean =>
  typeof schema === "object" && schema !== null && "$ref" in schema;
const schemaText = (schema: unknown): string => `<code>${escaped(JSON.stringify(schema))}</code>`;
const schemaHtml = (schema: unknown): string =>
  `<pre tabindex="0">${escaped(JSON.stringify(schema, null, 2))}</pre>`;

function escaped(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
