import { env } from "cloudflare:workers";
import { afterEach, describe, expect, it, vi } from "vitest";
import { operations } from "../../shared/contract/operations.ts";
import { dispatch } from "../../workers/api/dispatch.ts";
import { eventually } from "../support/eventually.ts";
import { ADMIN_TOKEN } from "../support/http.ts";
import { scraped, valueOf } from "../support/scraped.ts";
import { call, rowsInAll, signUpAs } from "./support.ts";

/** A client that goes away while its body is on its way: no defect of Luna. */

afterEach(() => void vi.restoreAllMocks());

/** A body of which one byte arrives, as workerd reports a connection that broke. */
function brokenBody(): ReadableStream {
  return new ReadableStream({
    start: (controller) => controller.enqueue(new TextEncoder().encode("{")),
    pull: (controller) => controller.error(new Error("Network connection lost.")),
  });
}

async function breakOff(path: string, token: string | null, method = "POST"): Promise<number> {
  const headers = new Headers({ "Content-Type": "application/json" });
  if (token !== null) headers.set("Authorization", `Bearer ${token}`);
  const request = new Request(`http://luna.test${path}`, { method, headers, body: brokenBody() });
  return (await dispatch(request, env)).status;
}

const webhookEndpointId = `we_${"0".repeat(32)}`;
const taking = operations.filter(({ body, id }) => body !== undefined || id === "takeWebhook");

describe("an upload that breaks off", () => {
  it("counts neither as 5xx nor as an uncaught exception", async () => {
    const scrape = async () => {
      const headers = { Authorization: `Bearer ${ADMIN_TOKEN}` };
      const answer = await dispatch(new Request("http://luna.test/metrics", { headers }), env);
      return scraped(await answer.text());
    };
    const of = { operation: "createUser", method: "POST" };
    const count = async (status: string): Promise<number> =>
      valueOf(await scrape(), "luna_http_requests_total", { ...of, status }) ?? 0;
    const uncaught = async (): Promise<number> =>
      valueOf(await scrape(), "luna_uncaught_exceptions_total", { worker: "api" }) ?? 0;
    await breakOff("/api/users", ADMIN_TOKEN);
    await eventually(async () => expect(await count("aborted")).toBe(1));
    expect(await count("5xx")).toBe(0);
    expect(await uncaught()).toBe(0);
  });

  it.each(taking.map(({ id, method, path, access }) => ({ id, method, path, access })))(
    "is its own outcome of $id, and writes nothing",
    async ({ id, method, path, access }) => {
      const user = await signUpAs("pro");
      const before = await rowsInAll();
      const [info, error] = [vi.spyOn(console, "info"), vi.spyOn(console, "error")];
      const at = path
        .replace(":provider", "resend")
        .replace(":userId", user.userId)
        .replace(":name", "cache")
        .replace(":transport", "smtp")
        .replace(":endpointId", webhookEndpointId)
        .replace(":heartbeatId", `hb_${"0".repeat(32)}`)
        .replace(":keyId", `key_${"0".repeat(32)}`)
        .replace(":senderId", `snd_${"0".repeat(32)}`)
        .replace(":deliveryId", `evt_${"0".repeat(32)}.${webhookEndpointId}`)
        .replaceAll(/:\w+/g, "x");
      const token = access === "anyone" ? null : access === "user" ? user.token : ADMIN_TOKEN;
      expect(await breakOff(at, token, method)).toBe(499);
      expect(error).not.toHaveBeenCalled();
      expect(info.mock.calls.map(([line]) => JSON.parse(String(line)) as unknown)).toContainEqual(
        expect.objectContaining({ level: "info", event: "request.aborted", operation: id }),
      );
      expect(await rowsInAll()).toEqual(before);
    },
  );

  it("is not described by the document, since its client receives no answer", async () => {
    const { body } = await call("GET", "/openapi.json", undefined, { token: null });
    expect(JSON.stringify(body)).not.toMatch(/aborted|"499"/);
  });
});
