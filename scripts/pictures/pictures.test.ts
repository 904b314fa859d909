import { readFileSync, statSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { demoTexts, shownToday } from "./shown.ts";
import { terminalSvg } from "./terminal.ts";

const FOLDER = "docs/images";
const MAX_BYTES = 300_000;
const recording = readFileSync(`${FOLDER}/demo.svg`, "utf8");

describe("the pictures of the README", () => {
  it("show the console and the demo as they are: npm run pictures takes them again", () => {
    const shown: unknown = JSON.parse(readFileSync(`${FOLDER}/shown.json`, "utf8"));
    expect(shown).toEqual(shownToday());
  });

  it("show the whole demo, with its result and without a failed check", () => {
    const texts = demoTexts().filter((text) => !/fail|Interrupted/.test(text));
    expect(texts.length).toBeGreaterThan(40);
    expect(texts.filter((text) => !recording.includes(text.trim()))).toEqual([]);
    expect(recording).toMatch(/All \d+ checks passed in/);
    expect(recording).not.toContain("✗");
  });

  it("load quickly", () => {
    const files = ["demo.svg", "console-light.png", "console-dark.png"];
    const sizes = files.map((name) => statSync(`${FOLDER}/${name}`).size);
    for (const size of sizes) expect(size).toBeLessThan(MAX_BYTES);
  });
});

describe("a recording of a terminal", () => {
  const printed = [
    { atMs: 0, text: "Chapter" },
    { atMs: 100, text: `  ✓ ${"a step <that> holds".padEnd(64)}   12 ms  ${"note ".repeat(20)}` },
    { atMs: 90_000, text: `All passed: ${"word ".repeat(30)}` },
  ];
  const svg = terminalSvg("npm test & more", printed);
  const rows = [...svg.matchAll(/<text y="\d+"[^>]*>(.*)<\/text>/g)].map(([, row = ""]) =>
    row.replaceAll(/<[^>]*>/g, ""),
  );

  it("has the command and every line, escaped, wrapped or cut to the width", () => {
    expect(rows.slice(0, 2)).toEqual(["$ npm test &amp; more", "Chapter"]);
    expect(rows[2]).toMatch(/^ {2}✓ a step &lt;that&gt; holds.*…$/);
    expect(rows.slice(3).join(" ").trim()).toBe(printed[2]?.text.trim());
  });

  it("shortens long waits, and stands still for those who want less motion", () => {
    const loopMs = Number(/animation-duration:(\d+)ms/.exec(svg)?.[1]);
    expect(loopMs).toBeLessThan(15_000);
    expect(svg).toContain("prefers-reduced-motion");
  });
});
