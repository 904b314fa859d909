import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { putInPlace } from "./put-in-place.ts";

let directory = "";
let place = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "luna-place-"));
  place = join(directory, "place");
});
afterEach(() => rmSync(directory, { recursive: true }));

function folder(name: string): string {
  const path = join(directory, name);
  mkdirSync(path);
  writeFileSync(join(path, "file"), name);
  return path;
}
const standing = () => readFileSync(join(place, "file"), "utf8");

describe("a folder that is put in place", () => {
  it("stands there alone, whether or not another did", () => {
    for (const name of ["one", "two"]) {
      putInPlace(folder(name), place);
      expect(standing()).toBe(name);
      expect(readdirSync(directory)).toEqual(["place"]);
    }
  });

  it("leaves the one before where it was if it cannot be", () => {
    putInPlace(folder("one"), place);
    expect(() => putInPlace(join(directory, "nothing"), place)).toThrow("ENOENT");
    expect(standing()).toBe("one");
    expect(readdirSync(directory)).toEqual(["place"]);
  });

  it("may be put there by two at once: neither fails, and one of theirs stands", async () => {
    const source = `
      const { mkdirSync, writeFileSync } = require("node:fs");
      const { workerData: { module, aside, place } } = require("node:worker_threads");
      import(module).then(({ putInPlace }) => {
        for (let n = 0; n < 300; n += 1) {
          mkdirSync(aside);
          writeFileSync(aside + "/file", "whole");
          putInPlace(aside, place);
        }
      });`;
    const module = pathToFileURL(resolve("scripts/put-in-place.ts")).href;
    const both = ["a", "b"].map(
      (name) =>
        new Worker(source, {
          eval: true,
          workerData: { module, aside: join(directory, name), place },
        }),
    );
    expect(await Promise.all(both.map((worker) => once(worker, "exit")))).toEqual([[0], [0]]);
    expect(standing()).toBe("whole");
    expect(readdirSync(directory)).toEqual(["place"]);
  });
});
