import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const modules = resolve("node_modules");

type Manifest = Record<"dependencies" | "devDependencies", Record<string, string> | undefined>;

export function manifestIn(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;
}

/**
 * A project that has only the tarball of this package and what a manifest of its own names, as
 * after `npm install`. Needs no registry: the dependencies are links to those of the checkout.
 *
 * @param others what the project depends on besides
 */
export async function projectWithTarball(others: string[]): Promise<string> {
  const project = mkdtempSync(join(tmpdir(), "luna-installed-"));
  await run("npm", ["pack", "--silent", "--pack-destination", project]);
  const tarball = readdirSync(project).find((name) => name.endsWith(".tgz")) ?? "";
  const installed = join(project, "node_modules/luna-backend");
  mkdirSync(installed, { recursive: true });
  await run("tar", ["-xzf", join(project, tarball), "-C", installed, "--strip-components=1"]);
  for (const name of Object.keys(manifestIn(installed).dependencies ?? {}))
    link(name, join(installed, "node_modules"));
  for (const name of others) link(name, join(project, "node_modules"));
  return project;
}

function link(name: string, into: string): void {
  const path = join(into, name);
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(join(modules, name), path);
}
