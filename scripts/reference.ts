import { writeFileSync } from "node:fs";
import { commandLine } from "./command-line.ts";
import { referencePages } from "./reference/pages.ts";

commandLine({
  name: "reference",
  about: "Writes the pages of docs/reference that are made from code.",
});

for (const [path, text] of Object.entries(referencePages())) {
  writeFileSync(path, text);
  process.stdout.write(`${path}\n`);
}
