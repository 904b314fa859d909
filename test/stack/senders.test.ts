import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { afterAll, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { httpServer } from "../support/http-server.ts";
import { useStack } from "./support.ts";

/** Several brands of one Luna, from the DNS of a tenant to what a server and a provider get. */

/** TXT records by name, as a resolver answers in JSON. */
const records = new Map<string, string>();
const resolver = httpServer((request, response) => {
  const { searchParams } = new URL(request.url ?? "/", "http://resolver.test");
  const data = records.get(searchParams.get("name") ?? "");
  const Answer = data === undefined ? [] : [{ type: 16, TTL: 60, data: `"${data}"` }];
  response.end(JSON.stringify({ Status: data === undefined ? 3 : 0, Answer }));
});

/** What Resend took. */
const taken: Record<string, unknown>[] = [];
const resend = httpServer((request, response) => {
  let text = "";
  request.on("data", (chunk) => (text += String(chunk)));
  request.on("end", () => {
    taken.push(JSON.parse(text) as Record<string, unknown>);
    response
      .writeHead(200, { "Content-Type": "application/json" })
      .end(JSON.stringify({ id: `re-${taken.length}` }));
  });
});

const servers = [resolver, resend];
const [dnsPort, resendPort] = await Promise.all(
  servers.map(async (server) => {
    await once(server.listen(0, "127.0.0.1"), "listening");
    return (server.address() as AddressInfo).port;
  }),
);
afterAll(() => servers.forEach((server) => server.close()));

const stack = useStack({
  EMAIL_TRANSPORTS: "smtp,resend",
  RESEND_API_KEY: "re_test",
  RESEND_BASE_URL: `http://127.0.0.1:${resendPort}`,
  DNS_OVER_HTTPS_URL: `http://127.0.0.1:${dnsPort}/dns-query`,
});
const { call } = stack;
const email = { to: "ada@example.com", subject: "Hello", text: "Hi" };

async function mailer(userId: string): Promise<string> {
  const { body } = await call("POST", "/api/users", { userId, email: `${userId}@example.com` });
  await call("PATCH", `/api/users/${userId}`, { scopes: ["emails:send"] });
  return String(body.apiKey);
}

it("a tenant that proved its domain sends as it: in the envelope and in the header", async () => {
  const token = await mailer("acme");
  const domain = { domain: "acme.example", name: "Acme, Inc." };
  const { id, record } = (await call("POST", "/api/senders", domain, { token })).body;
  const verify = () => call("POST", `/api/senders/${id}/verify`, undefined, { token });
  const send = (from: string) => call("POST", "/api/emails", { ...email, from }, { token });
  expect((await send("billing@acme.example")).status).toBe(422);
  records.set(record.name, record.value);
  expect((await verify()).body).toMatchObject({ verified: { by: "dns" } });
  const { body } = await send("billing@acme.example");
  await stack.until(body.id, "sent");
  const arrived = stack.sink.delivered.find(({ id: of }) => of === body.id);
  expect(arrived?.from).toBe("billing@acme.example");
  expect(arrived?.email.from).toMatchObject({
    name: "Acme, Inc.",
    address: "billing@acme.example",
  });
});

it("a tenant that opened the link to its address sends as that", async () => {
  const token = await mailer("ada");
  const address = "ada@brand.example";
  await call("POST", "/api/senders", { address }, { token });
  const link = await eventually(() => {
    const text = stack.sink.delivered.find(({ to }) => to === address)?.email.text ?? "";
    const [path] = /\/verify-sender\/[\w-]+/.exec(text) ?? [];
    expect(path).toBeDefined();
    return String(path);
  });
  expect((await call("POST", link, undefined, { token: null, text: true })).status).toBe(200);
  const { body } = await call("POST", "/api/emails", { ...email, from: address }, { token });
  await stack.until(body.id, "sent");
  const arrived = stack.sink.delivered.find(({ id }) => id === body.id);
  expect(arrived?.from).toBe(address);
});

it("a brand leaves by the transport that its sender names, and the others as configured", async () => {
  await call("POST", "/api/admin/email/senders", {
    domain: "brand.example",
    name: "Brand (EU)",
    transport: "resend",
  });
  const ids = [
    await stack.send("eve@example.com", { from: "news@brand.example" }),
    await stack.send("bob@example.com"),
  ];
  for (const id of ids) await stack.until(id, "sent");
  expect(taken).toMatchObject([
    { from: '"Brand (EU)" <news@brand.example>', to: ["eve@example.com"] },
  ]);
  expect(stack.sink.delivered.map(({ to }) => to)).toContain("bob@example.com");
  expect(stack.sink.delivered.map(({ to }) => to)).not.toContain("eve@example.com");
});
