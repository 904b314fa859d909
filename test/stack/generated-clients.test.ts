import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import openApiTypes, { type OpenAPI3 } from "openapi-typescript";
import { generate } from "openapi-typescript-codegen";
import { afterAll, expect, it, vi } from "vitest";
import { ADMIN_TOKEN } from "../support/http.ts";
import { useStack } from "./support.ts";

/**
 * Clients that public generators make of the OpenAPI document: openapi-typescript with
 * openapi-fetch, and openapi-typescript-codegen.
 */

const stack = useStack();

const folder = mkdtempSync(join(tmpdir(), "luna-clients-"));
symlinkSync(resolve("node_modules"), join(folder, "node_modules"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** An operation, its path parameters and its body, as TypeScript. */
type Written = { id: string; params?: string; body: string };

const to = `to: "ada@example.com"`;
const email = `${to}, subject: "Hi", text: "Hi"`;
const sendEmail = (...bodies: string[]): Written[] =>
  bodies.map((body) => ({ id: "sendEmail", body }));

const right: Written[] = [
  { id: "createUser", body: `{ userId: "ada", email: "ada@example.com", tier: "pro" }` },
  { id: "updateUser", params: `{ userId: "ada" }`, body: `{ scopes: ["emails:send"] }` },
  ...sendEmail(
    `{ ${email} }`,
    `{ ${to}, subject: "Hi", html: "<p>Hi</p>", category: "transactional" }`,
    `{ ${email}, sendAt: "2026-01-31T12:00:00Z", tags: ["a"], onUnknown: "hold" }`,
    `{ ${email}, attachments: [{ filename: "a.txt", content: "QQ==" }] }`,
    `{ ${to}, template: "welcome", data: { userId: "ada", tier: "pro" } }`,
    `{ ${to}, template: "usage-report",
       data: { userId: "ada", period: "May", metrics: [{ name: "a", amount: "1" }] } }`,
  ),
  { id: "sendEmails", body: `{ emails: [{ ${email} }] }` },
  { id: "invalidate", body: `{ keys: ["a"], mode: "soft" }` },
  { id: "invalidate", body: `{ userId: "ada" }` },
  { id: "processDeadLetters", body: `{ ids: ["none"], dryRun: true }` },
];

const wrong: Written[] = [
  { id: "createUser", body: `{ userId: "ada" }` },
  { id: "createUser", body: `{ userId: "ada", email: "ada@example.com", tier: "gold" }` },
  { id: "updateUser", params: `{ userId: "ada" }`, body: `{ scopes: ["emails:read"] }` },
  ...sendEmail(
    `{ ${to}, text: "Hi" }`,
    `{ ${to}, subject: "Hi" }`,
    // Any other text may name a stored template, which Luna refuses if there is none.
    `{ ${to}, template: 5 }`,
    `{ ${to}, template: "welcome", data: 5 }`,
    `{ ${email}, attachments: ["anything", 5] }`,
    `{ ${email}, attachments: [{ filename: "a.txt" }] }`,
    `{ ${email}, attachments: [{ id: 5 }] }`,
    `{ ${email}, tags: [5] }`,
    `{ ${email}, sendAt: 5 }`,
    `{ ${email}, category: "spam" }`,
    `{ ${email}, subject: 5 }`,
  ),
  { id: "sendEmails", body: `{ emails: [42] }` },
  { id: "sendEmails", body: `{ emails: [{ ${to} }] }` },
  { id: "invalidate", body: `{ keys: [1] }` },
  { id: "invalidate", body: `{ tags: "a" }` },
  { id: "invalidate", body: `{}` },
  { id: "processDeadLetters", body: `{ ids: [1] }` },
];

/** openapi-fetch infers the type of a body, so that TypeScript does not look for more fields. */
const unknownField = sendEmail(`{ ${email}, cci: "eve@example.com" }`);

type Paths = Record<string, Record<string, { operationId: string; tags: string[] }>>;
type Client = { imports: string; refuses: Written[]; call(written: Written, paths: Paths): string };

function placeOf(id: string, paths: Paths): { path: string; method: string; tag: string } {
  for (const [path, methods] of Object.entries(paths))
    for (const [method, { operationId, tags }] of Object.entries(methods))
      if (operationId === id) return { path, method: method.toUpperCase(), tag: tags[0] ?? "" };
  throw new Error(`no operation ${id}`);
}

const clients: Record<string, Client> = {
  "openapi-fetch": {
    refuses: wrong,
    imports: `
      import createClient from "openapi-fetch";
      import type { paths } from "./types.ts";
      const headers = { Authorization: "Bearer ${ADMIN_TOKEN}" };
      const luna = createClient<paths>({ baseUrl: "http://luna.test", headers });
      const done = async ({ response }: { response: Response }) => {
        if (!response.ok) throw new Error(response.url + " answered " + response.status);
      };
    `,
    call({ id, params, body }, paths) {
      const { method, path } = placeOf(id, paths);
      const given = params === undefined ? "" : `params: { path: ${params} }, `;
      return `await done(await luna.${method}("${path}", { ${given}body: ${body} }))`;
    },
  },
  "openapi-typescript-codegen": {
    refuses: [...wrong, ...unknownField],
    imports: `
      import { AccountsService, EmailsService, OpenAPI, OperationsService } from "./generated";
      OpenAPI.TOKEN = "${ADMIN_TOKEN}";
      OpenAPI.BASE = "http://luna.test";
      const done = async (answer: Promise<object>) => void (await answer);
    `,
    call({ id, params = "{}", body }, paths) {
      const { tag } = placeOf(id, paths);
      const service = `${tag.slice(0, 1).toUpperCase()}${tag.slice(1)}Service`;
      return `await done(${service}.${id}({ ...${params}, requestBody: ${body} }))`;
    },
  },
};

const compilerOptions = {
  strict: true,
  noUncheckedIndexedAccess: true,
  noEmit: true,
  target: "es2022",
  lib: ["es2022", "dom"],
  module: "preserve",
  moduleResolution: "bundler",
  allowImportingTsExtensions: true,
  skipLibCheck: true,
  types: [],
};

it("generated clients compile right calls, which Luna answers, and refuse wrong ones", async () => {
  const document = (await (await stack.server.fetch("/openapi.json")).json()) as OpenAPI3;
  const paths = document.paths as unknown as Paths;
  writeFileSync(join(folder, "types.ts"), await openApiTypes(document));
  await generate({
    input: document,
    output: join(folder, "generated"),
    useUnionTypes: true,
    useOptions: true,
  });
  const names = Object.keys(clients).map((name) => ({ name, file: `${name}.ts` }));
  for (const { name, file } of names) {
    const { imports, refuses, call } = clients[name] as Client;
    const refused = refuses.flatMap((written) => [
      "// @ts-expect-error",
      `${call(written, paths)};`,
    ]);
    const calls = right.map((written) => `async () => ${call(written, paths)},`);
    writeFileSync(
      join(folder, file),
      [
        imports,
        `export const right = [`,
        ...calls,
        `];`,
        `export async function wrong() {`,
        ...refused.map((line) => line.replaceAll("\n", " ")),
        `}`,
      ].join("\n"),
    );
  }
  writeFileSync(
    join(folder, "tsconfig.json"),
    JSON.stringify({ compilerOptions, files: names.map(({ file }) => file) }),
  );
  const tsc = await promisify(execFile)(
    process.execPath,
    [resolve("node_modules/typescript/bin/tsc"), "-p", folder],
    {},
  ).catch((error: { stdout: string }) => error);
  expect(tsc.stdout).toBe("");

  vi.stubGlobal("fetch", async (asked: Request | string, init?: RequestInit) => {
    const request = new Request(asked, init);
    const { pathname } = new URL(request.url);
    const body = await request.text();
    return await stack.server.fetch(pathname, {
      method: request.method,
      headers: Object.fromEntries(request.headers),
      body,
    });
  });
  try {
    for (const { file } of names) {
      const { right: calls } = (await import(/* @vite-ignore */ join(folder, file))) as {
        right: (() => Promise<void>)[];
      };
      for (const [place, call] of calls.entries()) {
        // The second client meets the user of the first.
        if (right[place]?.id === "createUser" && file !== names[0]?.file) continue;
        await call();
      }
    }
  } finally {
    vi.unstubAllGlobals();
  }
});
