import { vi } from "vitest";
import { CONDITION_TIMEOUT_MS } from "./limits.ts";

/**
 * Waits until a condition holds, however slow the machine is.
 *
 * @param condition throws while it does not hold, as `expect` does
 * @returns what the condition returned in the end
 * @throws Error of the last try, if something hangs
 */
export function eventually<Value>(condition: () => Value | Promise<Value>): Promise<Value> {
  return vi.waitFor(condition, { timeout: CONDITION_TIMEOUT_MS, interval: 50 });
}
