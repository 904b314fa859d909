type Field = string | number | boolean | null | undefined | Record<string, number>;

/**
 * Writes one structured line (JSON) to the Worker's log.
 *
 * Callers never pass an address, a key, a token or a mail's text: identifiers, codes and counts only.
 */
export function log(level: "info" | "warn" | "error", event: string, fields: Record<string, Field> = {}): void {
  // oxlint-disable-next-line no-console -- the one place that writes to the log
  console[level](JSON.stringify({ level, event, ...fields }));
}

/** What may be logged of something that was thrown: its message and its stack. */
export function describeError(error: unknown): { message: string; stack?: string } {
  if (!(error instanceof Error)) return { message: String(error) };
  return error.stack === undefined ? { message: error.message } : { message: error.message, stack: error.stack };
}
