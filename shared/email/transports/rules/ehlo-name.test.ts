import { expect, it } from "vitest";
import { ehloName } from "./ehlo-name.ts";

const from = "Luna <hello@luna.example>";

it.each([
  ["mx.acme.example", "https://api.acme.example", from, "mx.acme.example"],
  [null, "https://api.acme.example:8443/", from, "api.acme.example"],
  [null, "http://localhost:8787", from, "luna.example"],
  [null, "http://127.0.0.1:8787", "hello@luna.example", "luna.example"],
  [null, undefined, from, "luna.example"],
  [null, undefined, undefined, null],
  [null, "no url", "nobody", null],
])("a client with the name %s, the URL %s and the sender %s greets as %s", (...given) => {
  const [configured, publicUrl, sender, expected] = given;
  expect(ehloName({ configured, publicUrl, sender })).toBe(expected);
});
