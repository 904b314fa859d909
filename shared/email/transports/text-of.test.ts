import { expect, it } from "vitest";
import { textOf } from "./text-of.ts";

it("the text of an HTML body has no data and no address of an image, only its alt", () => {
  const data = `data:image/png;base64,${"A".repeat(160_000)}`;
  const html =
    `<p>Hello Ada</p><img alt="Logo" src="${data}"><img src='https://x.test/a.png'>` +
    "<p>Your code is 123456</p>";
  const text = textOf(html);
  expect(text).toMatch(/^Hello Ada\s+Logo\s+Your code is 123456$/);
});

it("a text that had to be cut ends with a mark", () => {
  expect(textOf(`<p>${"word ".repeat(40_000)}</p>`)).toMatch(/\[\.\.\.\]$/);
  expect(textOf("<p>short</p>")).toBe("short");
});
