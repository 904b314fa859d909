import { expect, it } from "vitest";
import { wantsPage } from "./wants-page.ts";

it.each([
  ["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true],
  ["text/html", true],
  ["TEXT/HTML; q=0.5", true],
  ["application/json;q=0.5, text/html", true],
  ["application/json, text/html;q=0.9", false],
  ["text/html;q=0", false],
  ["text/html;q=nonsense", false],
  ["*/*", false],
  ["application/json", false],
  ["", false],
])("Accept: %s asks for a page: %s", (accept, wants) => {
  expect(wantsPage(new Headers({ Accept: accept }))).toBe(wants);
});

it("a request without Accept gets JSON", () => {
  expect(wantsPage(new Headers())).toBe(false);
});
