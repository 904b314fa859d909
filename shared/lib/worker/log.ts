type Level = "info" | "warn" | "error";
type Field = string | number | boolean | null | undefined | Record<string, number>;

let context: () => Record<string, Field> = () => ({});

/** Sets the fields that each line has besides its own, such as the id of its request. */
export function setLogContext(read: () => Record<string, Field>): void {
  context = read;
}

let observe: (level: Level, line: string) => void = () => undefined;

/** Sets a function that sees each line. */
export function observeLog(observer: typeof observe): void {
  observe = observer;
}

/**
 * Writes one structured line (JSON) to the Worker's log.
 *
 * Callers pass identifiers, codes and counts only: no address, key, token or text of an email.
 */
export function log(level: Level, event: string, fields: Record<string, Field> = {}): void {
  const line = JSON.stringify({ level, event, ...context(), ...fields });
  observe(level, line);
  // oxlint-disable-next-line no-console -- the one place that writes to the log
  console[level](line);
}

/** What may be logged about an error: its message and its stack. */
export function describeError(error: unknown): { message: string; stack?: string } {
  if (!(error instanceof Error)) return { message: String(error) };
  return error.stack === undefined
    ? { message: error.message }
    : { message: error.message, stack: error.stack };
}
