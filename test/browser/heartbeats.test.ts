import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import { inBothThemes, useConsole } from "./support.ts";

/** The pages of heartbeats, with a job that pings. */

const stage = useConsole();
const { signedIn } = stage;

async function write(page: Page, button: string): Promise<void> {
  await page.getByRole("button", { name: button, exact: true }).click();
  const dialog = page.getByRole("dialog");
  await dialog.locator("button[type=submit]").click();
  await dialog.waitFor({ state: "detached" });
}

it("a heartbeat is added, shows its pings as text and its failure, and is paused", async () => {
  const page = await signedIn("#/heartbeats");
  await page.getByText("There is no heartbeat.").waitFor();
  await page.getByLabel("Name").fill("Nightly backup");
  await page.getByLabel("Every", { exact: false }).fill("0 3 * * *");
  await page.getByLabel("Time zone", { exact: false }).fill("Europe/Berlin");
  await write(page, "Add Nightly backup");
  await page.getByRole("cell", { name: "0 3 * * * Europe/Berlin" }).waitFor();
  await page.getByRole("link", { name: "Nightly backup" }).click();
  await page.getByRole("heading", { level: 1, name: "Heartbeat" }).waitFor();
  await page.getByText("No ping came yet.").waitFor();
  const [url = ""] = /\/ping\/[\da-f-]+/.exec(await page.locator("code.secret").innerText()) ?? [];
  const ping = async (suffix: string, body = "") =>
    (await fetch(`${stage.luna.url}${url}${suffix}`, { method: "POST", body })).status;
  expect(await ping("/start")).toBe(200);
  expect(await ping("", "3 files copied")).toBe(200);
  await page.getByText("3 files copied").waitFor();
  expect(await ping("/3", "<img src=x onerror=alert(1)>\nno space left on the device")).toBe(200);
  await page.getByText("down: it failed").waitFor();
  await page.getByText("<img src=x", { exact: false }).waitFor();
  expect(await page.locator("main img").count()).toBe(0);
  await inBothThemes(page, "heartbeat-down");
  await page.getByRole("link", { name: "Heartbeats", exact: true }).click();
  await page.getByText("down: it failed").waitFor();
  await inBothThemes(page, "heartbeats-filled");
  await page.getByRole("link", { name: "Nightly backup" }).click();
  await write(page, "Pause");
  await page.getByText("paused", { exact: true }).waitFor();
  await write(page, "Delete");
  await page.getByText("There is no heartbeat.").waitFor();
});
