import { resolve } from "node:path";
import { expect, it } from "vitest";
import { startSettings } from "../settings.ts";
import { addresses } from "./addresses.ts";

const shown = (env: Record<string, string>, mailServer: { host: string; port: string } | null) =>
  Object.fromEntries(addresses({ settings: startSettings(env), mailServer, token: "t" }));

it("each address has its port, also that of the mail server", () => {
  expect(shown({ PORT: "1", SMTP_PORT: "2", MAILBOX_PORT: "3" }, null)).toMatchObject({
    api: "http://localhost:1",
    docs: "http://localhost:1/docs",
    mailbox: "http://localhost:3",
    smtp: "127.0.0.1:2",
  });
  const own = shown({}, { host: "smtp.example.com", port: "587" });
  expect(own).toMatchObject({ smtp: "smtp.example.com:587" });
  expect(own).not.toHaveProperty("mailbox");
});

it("a Worker of the reader finds Luna without a variable, unless Luna has a state of its own", () => {
  expect(shown({}, null)["your Worker"]).toBe(
    `npx wrangler dev --persist-to ${resolve(".wrangler/state")}`,
  );
  expect(shown({ STATE_DIR: "/tmp/a b" }, null)["your Worker"]).toBe(
    "WRANGLER_REGISTRY_PATH='/tmp/a b/registry' npx wrangler dev --persist-to '/tmp/a b'",
  );
});
