import { createServer } from "node:http";
import { afterAll, beforeEach, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { ADMIN_TOKEN } from "../support/http.ts";
import { useStack } from "./support.ts";

/** The example Worker beside the real three, with a price service that can be broken. */

let answer: { status: number; cents: number } = { status: 200, cents: 100 };
let asked = 0;
const prices = createServer((request, response) => {
  asked += 1;
  response.writeHead(answer.status, { "Content-Type": "application/json" });
  response.end(JSON.stringify({ sku: request.url?.slice(1), cents: answer.cents }));
});
await new Promise<void>((resolve) => prices.listen(0, "127.0.0.1", resolve));
const { port } = prices.address() as { port: number };
afterAll(() => void prices.close());

const stack = useStack(
  {},
  [
    {
      configPath: "./examples/storefront/wrangler.toml",
      vars: { PRICES_URL: `http://127.0.0.1:${port}` },
      secrets: { ADMIN_TOKEN },
    },
  ],
  "file",
);
beforeEach(() => {
  answer = { status: 200, cents: 100 };
  asked = 0;
});

const ask = async (method: string, path: string) => {
  const response = await stack.server
    .getWorker("storefront")
    .fetch(`http://shop.test${path}`, { method });
  const text = await response.text();
  return {
    status: response.status,
    how: response.headers.get("Cache-Status"),
    body: (text === "" ? null : JSON.parse(text)) as Record<string, unknown>,
  };
};

it("signs a customer up by RPC and sends the receipt by queue, once however often the order comes", async () => {
  const order = "/order?customer=ada&email=ada@example.com&id=1";
  expect(await ask("POST", order)).toMatchObject({ status: 202, body: { isNew: true } });
  expect(await ask("POST", order)).toMatchObject({ status: 202, body: { isNew: false } });
  expect((await ask("POST", "/order?customer=&email=nonsense&id=2")).body).toMatchObject({
    type: "urn:luna:problem:invalid",
    errors: [{ path: "userId" }, { path: "email" }],
  });
  await eventually(() =>
    expect(stack.sink.delivered.map(({ mail }) => mail.subject).toSorted()).toEqual([
      "Welcome to Luna, ada",
      "Your order 1",
    ]),
  );
  expect((await stack.call("GET", "/api/users/ada")).body.user).toMatchObject({
    email: "ada@example.com",
  });
});

it("serves prices from the fleet's cache, an old one while the service is down, and a new one once it has changed", async () => {
  expect(await ask("GET", "/price?sku=tea")).toMatchObject({ status: 200, body: { cents: 100 } });
  expect(await ask("GET", "/price?sku=tea")).toMatchObject({
    how: expect.stringContaining("hit"),
    body: { cents: 100 },
  });
  expect(asked).toBe(1);
  answer.cents = 120;
  await ask("POST", "/prices-changed");
  expect((await ask("GET", "/price?sku=tea")).body).toMatchObject({ cents: 120 });
});

it("stops asking a service that is down, for the whole fleet, and an operator sees and mends it by RPC", async () => {
  answer.status = 500;
  for (let n = 0; n < 8; n += 1)
    expect((await ask("GET", `/price?sku=none-${n}`)).status).toBe(503);
  await eventually(async () =>
    expect((await ask("GET", "/prices-health")).body).toMatchObject({ state: "OPEN" }),
  );
  const before = asked;
  expect((await ask("GET", "/price?sku=another")).status).toBe(503);
  expect(asked).toBe(before);
});
