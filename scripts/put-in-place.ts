import { renameSync, rmSync } from "node:fs";

/**
 * Puts a folder where another may be, by renames alone: it is missing for no longer than between
 * two of them. Where another process does the same at that moment, one of the two folders stands,
 * and is whole.
 *
 * @throws Error if it cannot be put there; what was there before is there again
 */
export function putInPlace(aside: string, place: string): void {
  const old = `${aside}.old`;
  // Of a process with the same id that was killed here.
  rmSync(old, { recursive: true, force: true });
  const hadOld = renamedUnless(["ENOENT"], place, old);
  try {
    renamedUnless(["ENOTEMPTY", "EEXIST"], aside, place);
  } catch (error) {
    if (hadOld) renamedUnless(["ENOTEMPTY", "EEXIST"], old, place);
    throw error;
  } finally {
    for (const left of [old, aside]) rmSync(left, { recursive: true, force: true });
  }
}

/** @returns false if one of these was the reason not to */
function renamedUnless(codes: string[], from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (codes.includes((error as NodeJS.ErrnoException).code ?? "")) return false;
    throw error;
  }
}
