import { expect, it } from "vitest";
import { failureText } from "./failure-text.ts";

it.each([
  [new Error("connect ECONNREFUSED 127.0.0.1:9"), "connect ECONNREFUSED 127.0.0.1:9"],
  [new Error("421 <ada@example.com> is\r\nbusy\u0000"), "421 <address> is busy"],
  [new Error("no answer of https://hooks.example.com/secret?x=1 yet"), "no answer of <url> yet"],
  [new TypeError(), "TypeError"],
  ["text", "text"],
  [new Error(`https://x.example/${"a".repeat(470)} ada.lovelace@example.com`), "<url> \u2026"],
  [Object.assign(new Error(), { message: { code: 1 } }), "[object Object]"],
  [Object.create(null), "unknown"],
  [new Error(`${"x".repeat(199)}\u{1F600}`), `${"x".repeat(199)}\uFFFD`],
])("the text of %s has one line, and neither addresses nor URLs", (error, text) => {
  expect(failureText(error)).toBe(text);
});
