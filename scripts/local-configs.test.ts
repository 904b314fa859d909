import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { afterEach, beforeEach, expect, it } from "vitest";
import { writeLocalConfigs } from "./local-configs.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "luna-configs-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

it.each([
  "plain",
  'a "quoted" word',
  "it's",
  "back\\slash and \\n",
  "$HOME # no comment",
  "`tick`",
  "a'b\"c",
  "  spaces  ",
  "",
])("the Workers get each variable as it is: %j", (value) => {
  writeLocalConfigs(directory, { SMTP_PASSWORD: value });
  expect(parseEnv(readFileSync(join(directory, ".dev.vars"), "utf8"))).toEqual({
    SMTP_PASSWORD: value,
  });
});

it("a value that no quotes can hold is refused by name", () => {
  expect(() => writeLocalConfigs(directory, { SMTP_PASSWORD: "'`\\n" })).toThrow(
    "SMTP_PASSWORD must not contain",
  );
  expect(() => writeLocalConfigs(directory, { SMTP_PASSWORD: "'`\"" })).toThrow(
    "SMTP_PASSWORD must not contain all of",
  );
});
