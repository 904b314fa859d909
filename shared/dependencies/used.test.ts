import { expect, it } from "vitest";
import { usedDependencies } from "./used.ts";

it.each([
  [{}, ["database", "email:smtp", "cache"]],
  [
    { EMAIL_TRANSPORTS: "resend,smtp", ALERT_WEBHOOK_URL: "https://hooks.example.com" },
    ["database", "email:smtp", "email:resend", "cache", "alerts:webhook"],
  ],
  [
    { EMAIL_TRANSPORTS: "pigeon", ALERT_WEBHOOK_URL: "ftp:" },
    [
      "database",
      "email:smtp",
      "email:cloudflare",
      "email:resend",
      "email:ses",
      "cache",
      "alerts:webhook",
    ],
  ],
])("of %j the dependencies %j are used", (env, used) => {
  expect(usedDependencies(env)).toEqual(used);
});
