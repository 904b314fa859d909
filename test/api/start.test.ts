import { describe, expect, it } from "vitest";
import packageJson from "../../package.json";
import { call, callWith, deadDatabase } from "./support.ts";

const BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const opened = { token: null, headers: { Accept: BROWSER }, text: true } as const;

describe("GET /", () => {
  it("answers machines with the release, the health, links that work and a first call", async () => {
    const { status, headers, body } = await callWith({
      PUBLIC_URL: "https://api.acme.example",
    })("GET", "/", undefined, { token: null });
    expect(status).toBe(200);
    expect(headers.get("Vary")).toContain("Accept");
    expect(body).toMatchObject({ name: "Luna", version: packageJson.version });
    expect(["ok", "degraded"]).toContain(body.status);
    expect(body.accessSignIn).toBe(false);
    for (const name of ["health", "docs", "openApi"]) {
      const { origin, pathname } = new URL(body.links[name]);
      expect(origin).toBe("https://api.acme.example");
      expect((await call("GET", pathname, undefined, { token: null, text: true })).status).toBe(
        200,
      );
    }
  });

  it("has the origin of the request without PUBLIC_URL", async () => {
    const { body } = await callWith({ PUBLIC_URL: "" })("GET", "/", undefined, { token: null });
    expect(body.links.console).toBe("http://luna.test/console/");
    expect(body.firstCall).toContain("http://luna.test/api/emails");
  });

  it("answers a browser with a page without scripts", async () => {
    const page = await call("GET", "/", undefined, opened);
    expect([page.status, page.headers.get("Content-Type")]).toEqual([
      200,
      "text/html; charset=utf-8",
    ]);
    expect(page.headers.get("Vary")).toContain("Accept");
    expect(page.headers.get("Content-Security-Policy")).toMatch(
      /^default-src 'none'; style-src 'sha256-[\w+/=]+'; form-action 'self'; frame-ancestors/,
    );
    expect(page.text).toContain("Luna is running</h1>");
    expect(page.text).toContain(`Release ${packageJson.version}.`);
    expect(page.text).toContain('href="/console/"');
    expect(page.text).not.toContain("<script");
  });

  it("shows that the database is down, and still answers 200", async () => {
    const { status, body } = await callWith({ DB: deadDatabase })("GET", "/", undefined, {
      token: null,
    });
    expect([status, body.status]).toEqual([200, "down"]);
  });
});

describe("a path that does not exist", () => {
  it.each([
    ["/nope", false],
    ["/console/nope", true],
    ["/console/runbooks/nope", true],
  ])("%s is a page in a browser and a problem elsewhere", async (path, isOfConsole) => {
    const page = await call("GET", path, undefined, opened);
    expect([page.status, page.headers.get("Content-Type")]).toEqual([
      404,
      "text/html; charset=utf-8",
    ]);
    expect(page.headers.get("Vary")).toContain("Accept");
    expect(page.text).toContain("There is no page here</h1>");
    expect(page.text).toContain('<a href="/">Start</a>');
    expect(page.text.includes('<a href="/console/runbooks/">Runbooks</a>')).toBe(isOfConsole);
    const problem = await call("GET", path, undefined, { token: null });
    expect(problem.headers.get("Content-Type")).toBe("application/problem+json");
    expect(problem.headers.get("Vary")).toContain("Accept");
    expect(problem.body.status).toBe(404);
  });

  it("has the methods of a path in the answer to another one, also as a page", async () => {
    const page = await call("GET", "/api/admin/cache/invalidate", undefined, opened);
    expect([page.status, page.headers.get("Allow")]).toEqual([405, "POST"]);
    expect(page.text).toContain("Method not allowed</h1>");
  });

  it("an object of the API that does not exist is a problem in a browser, too", async () => {
    const answer = await call("GET", "/api/users/nobody", undefined, {
      headers: { Accept: BROWSER },
    });
    expect(answer.headers.get("Content-Type")).toBe("application/problem+json");
  });
});
