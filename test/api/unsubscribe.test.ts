import { env, exports } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { unsubscribeUrl } from "../../shared/email/unsubscribe.ts";
import { call, callWith, rowsInAll } from "./support.ts";

const settings = { publicUrl: env.PUBLIC_URL ?? "", secret: env.UNSUBSCRIBE_SECRET ?? "" };
const email = { to: "ada@example.com", subject: "News", text: "Hi", category: "marketing" };

beforeEach(async () => {
  await env.DB.batch(
    ["suppressions", "scoped_suppressions"].map((table) => env.DB.prepare(`DELETE FROM ${table}`)),
  );
});

const fetchRaw = (url: string, init?: RequestInit) => exports.default.fetch(new Request(url, init));
const linkOf = async (): Promise<string> => {
  const { body } = await call("POST", "/api/emails", email);
  return await unsubscribeUrl(settings, String(body.id));
};

const choose = (link: string, choice: string) =>
  fetchRaw(link, {
    method: "POST",
    headers: { "Content-Type": "application/x-www-form-urlencoded" },
    body: `choice=${choice}`,
  });
const sends = async (category: string): Promise<number> =>
  (await call("POST", "/api/emails", { ...email, category })).status;

describe("the page of an unsubscribe link", () => {
  it("unsubscribes from the category of the email alone, if a person chooses that", async () => {
    const link = await linkOf();
    expect(await (await fetchRaw(link)).text()).toContain("Only no more news");
    expect(await (await choose(link, "category")).text()).toContain("You are unsubscribed");
    expect([await sends("marketing"), await sends("notification")]).toEqual([422, 202]);
    const again = await (await fetchRaw(link)).text();
    expect(again).toContain("You will get no more news");
    expect(again).toContain("No more notifications either");
    await choose(link, "all");
    expect([await sends("notification"), await sends("transactional")]).toEqual([422, 202]);
  });

  it("subscribes again, and lifts nothing that is suppressed for another reason", async () => {
    const link = await linkOf();
    await choose(link, "category");
    await choose(link, "all");
    expect(await (await fetchRaw(link)).text()).toContain("Get these emails again");
    expect(await (await choose(link, "resubscribe")).text()).toContain("You are subscribed again");
    expect([await sends("marketing"), await sends("notification")]).toEqual([202, 202]);
    const suppress = { address: email.to, scope: "non-transactional" };
    await call("POST", "/api/admin/email/suppressions", suppress);
    await call("POST", "/api/admin/email/suppressions", { ...suppress, scope: "marketing" });
    for (const choice of ["all", "category", "resubscribe"]) await choose(link, choice);
    const { body } = await call("GET", "/api/admin/email/suppressions");
    expect(body.items.map(({ reason }: { reason: string }) => reason)).toEqual([
      "manual",
      "manual",
    ]);
  });
});

describe("a link in the content", () => {
  it.each(["html", "text"])("needs a category with a link: in %s", async (field) => {
    const linked = { to: email.to, subject: "Hi", text: "Hi", [field]: "{{unsubscribeUrl}}" };
    expect(await call("POST", "/api/emails", linked)).toMatchObject({
      status: 422,
      body: { errors: [{ path: "category" }] },
    });
    const news = { ...linked, category: "marketing" };
    expect((await call("POST", "/api/emails", news)).status).toBe(202);
    const often = { ...news, [field]: "{{unsubscribeUrl}}".repeat(11) };
    expect(await call("POST", "/api/emails", often)).toMatchObject({
      status: 422,
      body: { errors: [{ path: "html" }] },
    });
  });
});

describe("a link in a stored template", () => {
  const admin = "/api/admin/email/templates";
  const news = {
    subject: "News",
    html: '<a href="{{unsubscribeUrl}}">Stop</a>',
    text: "Stop: {{unsubscribeUrl}}",
    publish: true,
  };
  afterEach(async () => void (await call("DELETE", `${admin}/news`)));

  it("stays for the hand-over, and needs a category with a link", async () => {
    const made = await call("POST", admin, { name: "news", ...news });
    expect(made).toMatchObject({ status: 201, body: { fields: [] } });
    const request = { to: email.to, template: "news" };
    expect(await call("POST", "/api/emails", request)).toMatchObject({
      status: 422,
      body: { errors: [{ path: "category" }] },
    });
    const sent = await call("POST", "/api/emails", { ...request, category: "marketing" });
    const tested = await call("POST", `${admin}/news/test`, { to: email.to });
    for (const { status, body } of [sent, tested]) {
      expect(status).toBe(202);
      const { content } = (await call("GET", `/api/emails/${body.id}?content=true`)).body;
      expect(content.html).toContain('href="{{unsubscribeUrl}}"');
      expect(content.text).toContain("Stop: {{unsubscribeUrl}}");
    }
  });

  it("is refused in a subject, and in the place of a built-in one, whose emails have none", async () => {
    const inSubject = { ...news, subject: "{{unsubscribeUrl}}" };
    for (const body of [
      { name: "news", ...inSubject },
      { name: "welcome", ...news },
    ])
      expect((await call("POST", admin, body)).status).toBe(422);
  });
});

describe("an unsubscribe link", () => {
  it("asks for confirmation, and opening it does not unsubscribe", async () => {
    const link = await linkOf();
    const page = await fetchRaw(link);
    expect(page.status).toBe(200);
    expect(page.headers.get("Content-Security-Policy")).toMatch(
      /^default-src 'none'; style-src 'sha256-/,
    );
    const html = await page.text();
    expect(html).toContain('<form method="post">');
    expect(html).not.toContain("ada@example.com");
    expect((await call("POST", "/api/emails", email)).status).toBe(202);
  });

  it("unsubscribes with one POST and no sign-in, and a repeat changes nothing", async () => {
    const link = await linkOf();
    for (let n = 0; n < 2; n += 1) {
      const done = await fetchRaw(link, {
        method: "POST",
        headers: { "Content-Type": "application/x-www-form-urlencoded" },
        body: "List-Unsubscribe=One-Click",
      });
      expect(done.status).toBe(200);
      expect(await done.text()).toContain("You are unsubscribed");
    }
    expect((await call("GET", "/api/admin/email/suppressions")).body.items).toMatchObject([
      { address: "ada@example.com", scope: "non-transactional", reason: "unsubscribe" },
    ]);
    expect((await call("POST", "/api/emails", email)).body.detail).toContain(
      "the recipient unsubscribed",
    );
    expect(
      (await call("POST", "/api/emails", { ...email, category: "transactional" })).status,
    ).toBe(202);
  });

  it("with a wrong signature, email or secret is a 404 and changes nothing", async () => {
    const link = await linkOf();
    const [, token = ""] = link.split("/unsubscribe/");
    const [id = "", signature = ""] = token.split(".");
    const forged = await unsubscribeUrl({ ...settings, secret: "x".repeat(32) }, id);
    const before = await rowsInAll();
    for (const bad of [
      "x",
      id,
      `${id}.`,
      `other.${signature}`,
      `${id}.${signature}x`,
      `${id}.%%%`,
      forged.split("/").at(-1),
    ]) {
      for (const method of ["GET", "POST"])
        expect(
          (await fetchRaw(`http://luna.test/unsubscribe/${bad}`, { method })).status,
          `${method} ${bad}`,
        ).toBe(404);
    }
    // Signed, but the email is gone.
    expect(
      (await fetchRaw(await unsubscribeUrl(settings, "gone"), { method: "POST" })).status,
    ).toBe(404);
    expect(await rowsInAll()).toEqual(before);
  });
});

it.each([
  ["missing", { PUBLIC_URL: "", UNSUBSCRIBE_SECRET: "" }, []],
  ["not valid, which the log names", { UNSUBSCRIBE_SECRET: "short" }, ["UNSUBSCRIBE_SECRET"]],
])("a link does not exist while its settings are %s", async (_, changes, logged) => {
  const error = vi.spyOn(console, "error").mockReturnValue();
  const api = callWith(changes);
  const answer = await api("GET", "/unsubscribe/some-link", undefined, { token: null });
  expect(answer.status).toBe(404);
  expect(JSON.stringify(answer.body)).not.toMatch(/UNSUBSCRIBE|PUBLIC/);
  const lines = error.mock.calls.map(([line]) => JSON.parse(String(line)) as { variable: string });
  expect(lines.map(({ variable }) => variable)).toEqual(logged);
  error.mockRestore();
});

describe("an email that needs such a link", () => {
  it("needs configured links unless it is transactional, and names the variable", async () => {
    const api = callWith({ PUBLIC_URL: "" });
    const before = await rowsInAll();
    const refused = await api("POST", "/api/emails", email);
    expect(refused).toMatchObject({
      status: 503,
      body: {
        type: "urn:luna:problem:misconfigured",
        detail: expect.stringContaining("PUBLIC_URL"),
      },
    });
    expect((await api("POST", "/api/emails/batch", { emails: [email] })).body).toMatchObject({
      accepted: 0,
      refused: 1,
    });
    expect(await rowsInAll()).toEqual(before);
    expect((await api("POST", "/api/emails", { ...email, category: "transactional" })).status).toBe(
      202,
    );
  });
});
