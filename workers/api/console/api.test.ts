import { afterEach, expect, it, vi } from "vitest";
import { callApi } from "./api.ts";

afterEach(() => void vi.unstubAllGlobals());

const answering = (status: number, body: unknown): void =>
  void vi.stubGlobal("fetch", async () => Response.json(body, { status }));

it("a 503 of /health is an answer, and a 503 of a proxy is a failure", async () => {
  const down = { status: "down", version: "1", checks: { database: { status: "down" } } };
  answering(503, down);
  expect(await callApi(null, "getHealth")).toEqual({ ok: true, status: 503, body: down });
  expect(await callApi(null, "listAlerts")).toMatchObject({ ok: false, status: 503 });
  answering(503, { title: "No such host" });
  expect(await callApi(null, "getHealth")).toMatchObject({
    ok: false,
    status: 503,
    title: "No such host",
  });
});
