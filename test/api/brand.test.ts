import { describe, expect, it } from "vitest";
import type { Operation } from "../../shared/contract/operation.ts";
import { operations } from "../../shared/contract/operations.ts";
import { templateNames } from "../../shared/email/templates/templates.ts";
import { ask } from "../support/produce.ts";
import { callWith } from "./support.ts";

/** The product's brand on what its customers see. `answers.test.ts` looks at every answer. */

const acme = {
  PRODUCT_NAME: "Acme & Sons",
  PRODUCT_COLOUR: "#ffe600",
  PRODUCT_LOGO: "https://cdn.acme.example/logo.png 120x32",
  PRODUCT_FOOTER: "Acme Ltd, 1 Example Street",
  PRODUCT_LANGUAGE: "en-US",
  PUBLIC_URL: "https://api.acme.example",
};

/** The pages to which links in emails lead. */
const pages: Operation[] = operations.filter(({ access, path, answers }) => {
  const answer = answers[200] as { mediaType?: string } | null | undefined;
  return access === "anyone" && path.includes(":") && answer?.mediaType === "text/html";
});

it("every page behind a link in an email is looked at", () => {
  expect(pages.map(({ path }) => path)).toEqual(
    expect.arrayContaining(["/confirm-address/:token", "/unsubscribe/:token"]),
  );
});

describe.each(pages)("$method $path", (operation) => {
  it("has the name, logo, colour, footer and language of the product", async () => {
    const { path, body, ...options } = await ask(operation, 200);
    const page = await callWith(acme)(operation.method, path, body, { ...options, text: true });
    expect(page.headers.get("Content-Language")).toBe("en-US");
    expect(page.headers.get("Content-Security-Policy")).toContain(
      "img-src https://cdn.acme.example;",
    );
    expect(page.text).toContain('<html lang="en-US">');
    expect(page.text).toContain("· Acme &amp; Sons</title>");
    expect(page.text).toContain('width="120" height="32" alt="Acme &amp; Sons">');
    expect(page.text).toContain("background:#ffe600;color:#000000");
    expect(page.text).toContain("<footer>Acme Ltd, 1 Example Street</footer>");
    expect(page.text).not.toMatch(/luna/i);
  });

  it("is a page for a browser also if the link does not work, and a problem for a client", async () => {
    const { path, body, token = null } = await ask(operation, 404);
    const answer = async (Accept: string) =>
      await callWith(acme)(operation.method, path, body, {
        token,
        headers: { Accept },
        text: true,
      });
    const page = await answer("text/html,application/xhtml+xml,*/*;q=0.8");
    expect([page.status, page.headers.get("Content-Type")]).toEqual([
      404,
      "text/html; charset=utf-8",
    ]);
    expect(page.text).toContain("This link does not work");
    expect(page.text).not.toMatch(/luna/i);
    const problem = await answer("*/*");
    expect([problem.status, problem.headers.get("Content-Type")]).toEqual([
      404,
      "application/problem+json",
    ]);
  });
});

it.each([
  ["/", 200],
  ["/nope", 404],
  ["/console/runbooks/nope", 404],
])("the page %s has the name, logo, colour and footer of the product", async (path, status) => {
  const headers = { Accept: "text/html" };
  const options = { token: null, headers, text: true } as const;
  const page = await callWith(acme)("GET", path, undefined, options);
  expect(page.status).toBe(status);
  expect(page.text).toContain("· Acme &amp; Sons</title>");
  expect(page.text).toContain('width="120" height="32" alt="Acme &amp; Sons">');
  expect(page.text).toContain("background:#ffe600");
  expect(page.text).toContain("<footer>Acme Ltd, 1 Example Street</footer>");
  const lines = [page.text];
  page.headers.forEach((value, name) => lines.push(`${name}: ${value}`));
  expect(lines.join("\n")).not.toMatch(/luna/i);
});

it.each(templateNames)(
  "the preview of %s is under the brand and may load the logo",
  async (name) => {
    const path = `/api/admin/email/templates/${name}/preview?format=html`;
    const shown = await callWith(acme)("GET", path, undefined, { text: true });
    expect(shown.text).toContain('alt="Acme &amp; Sons"');
    expect(shown.text).not.toMatch(/luna/i);
    expect(shown.headers.get("Content-Security-Policy")).toContain(
      "img-src https://cdn.acme.example;",
    );
  },
);

it("a sign-up is welcomed by the product, from its sender, with a key that begins with its name", async () => {
  const bindings = { ...acme, EMAIL_FROM: "hello@acme.example" };
  const user = { userId: "brand-1", email: "brand-1@example.com" };
  const { body } = await callWith(bindings)("POST", "/api/users", user);
  expect(body.apiKey).toMatch(/^acme-sons_[\w-]{43}$/);
  expect(body.user.apiKeyPrefix).toBe(String(body.apiKey).slice(0, 17));
  const { body: found } = await callWith(bindings)("GET", `/api/emails?to=${user.email}`);
  expect(found.items).toMatchObject([{ subject: "Welcome to Acme & Sons, brand-1" }]);
  const me = await callWith(bindings)("GET", "/api/me", undefined, { token: body.apiKey });
  expect(me.headers.get("Cache-Status")).toMatch(/^acme-sons; /);
  const refused = await callWith(bindings)("GET", "/api/me", undefined, { token: "wrong" });
  expect(refused.headers.get("WWW-Authenticate")).toBe('Bearer realm="acme-sons"');
});
