import { expect, it } from "vitest";
import { shapeOf } from "./prose.ts";
import { glossaryTerms, wrongWords } from "./terms.ts";
import { proseOf, wordCounts, wordsIn } from "./words.ts";

it.each([
  ["Whoever reads this", "whoever"],
  ["The cache says that it is stale", "says"],
  ["The object tells the isolate", "tells"],
  ["No isolate knows it", "knows"],
  ["Everything but the address", "but"],
  ["It makes 600 requests a minute", "requests a minute"],
  ["It makes 600 requests a\nminute", "requests a"],
  ["It asks once a second", "once a second"],
  ["Nothing is left of it.", "of it"],
  ["The doorbell rings", "doorbell"],
  ["Two mails wait", "mails"],
])("refuses the words of: %s", (text, word) => {
  expect(wrongWords(text).join()).toMatch(new RegExp(word, "i"));
});

it.each([
  "The mail server answers, and the mailbox is full",
  "A person who knows the address computes the hash",
  "The time of its deletion, and what is left of it and its tags",
  "An email per minute, except the first",
  "Names such as emails.rings, /process-dlq and told_by_d1",
])("allows: %s", (text) => {
  expect(wrongWords(text)).toEqual([]);
});

it("the glossary's *Not:* is the vocabulary that is refused, except ordinary words", () => {
  const page = [
    "| Term | Meaning |",
    "| dead letter | the record of a dead email. *Not:* letter, grave, burial |",
    "| snapshot | a state, fresh for 5 s |",
  ].join("\n");
  expect(glossaryTerms(page)).toEqual([
    ["graves?", "dead letter"],
    ["burials?", "dead letter"],
  ]);
});

it("a line of prose has at most 100 columns, a table cell 120 characters without its links", () => {
  const word = "x".repeat(120);
  const link = `[short](${"x".repeat(200)})`;
  const text = [
    `a ${word}`,
    word,
    "```sh",
    `a ${word}`,
    "```",
    `| a | ${"x".repeat(121)} |`,
    `| a | ${link} |`,
  ].join("\n");
  expect(shapeOf(text).map(({ line }) => line)).toEqual([1, 6]);
});

it("prose is counted without code, generated sections and rows that a test compares", () => {
  const text = "Two words\n\n```sh\nnpm start\n```\n\n<!-- bills -->\none\n<!-- /bills -->\n";
  expect(wordsIn(proseOf("docs/any.md", text))).toBe(2);
  expect(wordsIn(proseOf("docs/reference/api.md", text))).toBe(0);
  expect(wordsIn(proseOf("docs/explain/cache-failures.md", "| KV down | 503 |\n"))).toBe(0);
});

it("a promise is counted without the names of its tests", () => {
  const text = "| Promise | Limit | Tests |\n| No [loss](a.md) | – | [emails], [crash-points] |\n";
  expect(wordsIn(proseOf("docs/guarantees.md", text))).toBe(5);
  expect(wordsIn(proseOf("docs/any.md", text))).toBe(7);
});

it("docs/ has a limit of words of prose", () => {
  expect(wordCounts().reduce((sum, [, words]) => sum + words, 0)).toBeLessThanOrEqual(25_000);
});
