import { afterEach, expect } from "vitest";
import { observeLog } from "../../shared/lib/worker/log.ts";
import { wrongWithLine } from "./log-rules.ts";

/** Reads along with every log line of every test, also of those that silence the console. */
let wrong: string[] = [];
observeLog((_, line) => void wrong.push(...wrongWithLine(line)));

afterEach(() => {
  const found = wrong;
  wrong = [];
  expect(found, "log lines").toEqual([]);
});
