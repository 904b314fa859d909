import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";

/**
 * Takes a state directory for this process. The lock is SQLite's, so the system releases it when
 * the process ends in any way.
 *
 * @throws Error when another run has it
 */
export function lockState(stateDir: string): DatabaseSync {
  mkdirSync(stateDir, { recursive: true });
  const lock = new DatabaseSync(join(stateDir, "start.lock"));
  try {
    lock.exec("BEGIN EXCLUSIVE");
  } catch {
    const advice = "Stop it, or choose another directory: STATE_DIR=<directory> npm start";
    throw new Error(`another npm start uses ${stateDir}. ${advice}`);
  }
  return lock;
}

/** Whether a process has taken a state directory. */
export function isLocked(stateDir: string): boolean {
  const file = join(stateDir, "start.lock");
  if (!existsSync(file)) return false;
  const probe = new DatabaseSync(file);
  try {
    probe.exec("BEGIN EXCLUSIVE");
    return false;
  } catch {
    return true;
  } finally {
    probe.close();
  }
}
