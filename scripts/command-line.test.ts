import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import packageJson from "../package.json" with { type: "json" };
import { parsedArguments, type NpmCommand } from "./command-line.ts";

const command = {
  name: "sail",
  about: "Sails to a place. ".repeat(8).trim(),
  options: {
    fast: { type: "boolean", about: "with all sails", default: false },
    crew: { type: "string", value: "<number>", about: "how many sail", default: "2" },
  },
  positionals: { name: "<to>", about: "the place" },
  variables: { WIND: "where it comes from" },
} as const satisfies NpmCommand;

describe("the arguments of a command", () => {
  it("have their defaults", () => {
    expect(parsedArguments(command, ["rome"])).toEqual({
      tag: "run",
      values: { fast: false, crew: "2" },
      positionals: ["rome"],
    });
  });

  it.each([
    [["--slow"], "Unknown option '--slow'. npm run sail -- --help lists the options"],
    [["-x"], "Unknown option '-x'."],
    [["--crew"], "Option '--crew <value>' argument missing."],
    [["--fast=1"], "Option '--fast' does not take an argument."],
  ])("%j are refused by name", (args, message) => {
    expect(parsedArguments(command, args)).toEqual({
      tag: "wrong",
      message: expect.stringContaining(message),
    });
  });

  it("that a command does not take are refused by name", () => {
    const { positionals: _, ...none } = command;
    expect(parsedArguments(none, ["rome"])).toMatchObject({
      tag: "wrong",
      message: expect.stringContaining("Unexpected argument 'rome'."),
    });
  });

  it.each([["--help"], ["-h"], ["--slow", "--help"]])("%j gives the help", (...args) => {
    const { text } = parsedArguments(command, args) as { text: string };
    for (const part of [
      "npm run sail -- <to> [options]",
      "<to>",
      "--fast",
      "--crew <number>",
      "(2)",
      "--help",
      "WIND",
    ])
      expect(text).toContain(part);
    expect(Math.max(...text.split("\n").map(({ length }) => length))).toBeLessThanOrEqual(80);
  });
});

const own = Object.entries(packageJson.scripts).flatMap(([name, script]) => {
  const [, file] = /^(?:exec )?node (\S+\.ts)$/.exec(script) ?? [];
  return file === undefined ? [] : [[name, file] as const];
});

it.each(own)("npm run %s reads its arguments by the one helper, so it has --help", (name, file) => {
  expect(existsSync(file)).toBe(true);
  const source = readFileSync(file, "utf8");
  expect(source).toContain("commandLine({");
  expect(source).toContain(`name: "${name}"`);
});
