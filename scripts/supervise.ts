/**
 * Runs one program in a process group of its own: `node supervise.ts <program> <arguments>`. The
 * group ends with this process: asked on SIGTERM, and at once when standard input closes, because
 * then the process that began it is gone, however it ended.
 */
import { spawn } from "node:child_process";

const GRACE_MS = 5_000;

const [program = "", ...programArguments] = process.argv.slice(2);
const child = spawn(program, programArguments, {
  detached: true,
  stdio: ["ignore", "inherit", "inherit"],
});

function signalGroup(signal: "SIGTERM" | "SIGKILL"): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal);
  } catch {
    // The group is empty.
  }
}

process.stdin.resume().once("close", () => {
  signalGroup("SIGKILL");
  process.exit(1);
});
process.once("SIGTERM", () => {
  signalGroup("SIGTERM");
  setTimeout(() => signalGroup("SIGKILL"), GRACE_MS).unref();
});
child.once("error", (error) => {
  process.stderr.write(`${String(error)}\n`);
  process.exit(1);
});
child.once("exit", (code) => {
  // What the program left behind in its group has nobody to work for.
  signalGroup("SIGKILL");
  process.exit(code ?? 1);
});
