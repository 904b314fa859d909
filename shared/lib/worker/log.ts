type Level = "info" | "warn" | "error";
type Field = string | number | boolean | null | undefined | Record<string, number>;

let context: () => Record<string, Field> = () => ({});

/** What every line says besides, such as the id of the request that it belongs to. */
export function setLogContext(read: () => Record<string, Field>): void {
  context = read;
}

let observe: (level: Level, line: string) => void = () => undefined;

/** Sees every line that is written. */
export function observeLog(observer: typeof observe): void {
  observe = observer;
}

/**
 * Writes one structured line (JSON) to the Worker's log.
 *
 * Callers never pass an address, a key, a token or a mail's text: identifiers, codes and counts
 * only.
 */
export function log(level: Level, event: string, fields: Record<string, Field> = {}): void {
  const line = JSON.stringify({ level, event, ...context(), ...fields });
  observe(level, line);
  // oxlint-disable-next-line no-console -- the one place that writes to the log
  console[level](line);
}

/** What may be logged of something that was thrown: its message and its stack. */
export function describeError(error: unknown): { message: string; stack?: string } {
  if (!(error instanceof Error)) return { message: String(error) };
  return error.stack === undefined
    ? { message: error.message }
    : { message: error.message, stack: error.stack };
}
