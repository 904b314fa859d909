import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { httpServer } from "../support/http-server.ts";
import { inBothThemes, useConsole } from "./support.ts";

/** The pages of webhooks, beside a receiver that refuses on command. */

const stage = useConsole();
const { signedIn } = stage;
const api = (method: string, path: string, body?: unknown) => stage.luna.call(method, path, body);

let status = 200;
let server: Server;
let url: string;
beforeAll(async () => {
  server = httpServer((request, response) => {
    request.resume();
    response.writeHead(status).end("<b>the receiver's answer</b>");
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
});
afterAll(() => void server.close());

async function write(page: Page, button: string): Promise<void> {
  await page.getByRole("button", { name: button, exact: true }).first().click();
  const dialog = page.getByRole("dialog");
  await dialog.locator("button[type=submit]").click();
  await dialog.waitFor({ state: "detached" });
}

it("an endpoint is added, tested, paused and resumed, and its secret is shown once", async () => {
  const page = await signedIn("#/webhooks");
  expect(await page.getByText(/^whsec_/).count()).toBe(0);
  await page.getByLabel("URL").fill(url);
  await page.getByLabel("Events", { exact: false }).fill("team.*, user.created");
  await write(page, `Add ${url}`);
  const secret = page.getByText(/^whsec_/);
  await secret.waitFor();
  await page.getByRole("button", { name: "I have stored it" }).click();
  await secret.waitFor({ state: "detached" });
  await page.getByRole("cell", { name: "team.*, user.created" }).waitFor();
  await inBothThemes(page, "webhooks-filled");
  await page.getByRole("link", { name: url }).click();
  await page.getByRole("heading", { level: 1, name: "Webhook endpoint" }).waitFor();
  await write(page, "Send a test event");
  const delivered = page.getByRole("listitem").filter({ hasText: "webhook.test" }).first();
  await delivered.getByText("delivered", { exact: true }).first().waitFor();
  await write(page, "Pause");
  await page.getByText("paused on request").waitFor();
  await write(page, "Resume");
  await page.getByText("no failed call").waitFor();
  await write(page, "Replace the secret");
  await secret.waitFor();
  await inBothThemes(page, "webhook-secret");
});

it("a dead delivery shows its attempts and answers as text, and is replayed", async () => {
  status = 410;
  const { body } = await api("POST", "/api/webhook-endpoints", { url, events: ["*"] });
  const { id } = body.endpoint;
  await api("POST", `/api/webhook-endpoints/${id}/test`);
  const page = await signedIn(`#/webhooks/${id}`);
  await page.getByText("paused: it answered 410 Gone").waitFor();
  await page.getByRole("button", { name: "Dead deliveries" }).click();
  await page.getByText("dead: gone").first().waitFor();
  await page.getByText("answered that it is gone (410)").waitFor();
  const answer = page.getByText("<b>the receiver's answer</b>");
  expect(await answer.count()).toBe(1);
  await inBothThemes(page, "webhook-dead");
  status = 200;
  await write(page, "Resume");
  await write(page, "Replay dead deliveries");
  await page.getByText("1 delivery due again.").waitFor();
  await page.getByText("No delivery is dead.").waitFor();
  await page.getByRole("button", { name: "All", exact: true }).click();
  await page.getByText("delivered", { exact: true }).first().waitFor();
  await page.getByText("replayed").waitFor();
  await inBothThemes(page, "webhook-replayed");
  await write(page, "Delete");
  await page.getByRole("heading", { level: 1, name: "Webhooks" }).waitFor();
});
