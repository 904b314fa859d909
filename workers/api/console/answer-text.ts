/** What a transport answered, as text. Pure. */

type Answer = { where: string; what: string };

/** `smtp, RCPT TO: 550 5.1.1 no such user`, or as much as the detail has. */
export function answerText(detail: unknown): string {
  const { where, what } = partsOf(detail);
  return [where, what].filter((part) => part !== "").join(": ");
}

/** `Last error (smtp, connect): 421 4.3.2 busy`. */
export function lastErrorText(detail: unknown): string {
  const { where, what } = partsOf(detail);
  return `Last error${where === "" ? "" : ` (${where})`}: ${what}`;
}

/** Phases of a session that are no command of SMTP. */
const phaseWords: Readonly<Record<string, string>> = { CONN: "connect" };

function partsOf(detail: unknown): Answer {
  if (typeof detail !== "object" || detail === null) return { where: "", what: String(detail) };
  const { transport, phase, code, enhancedCode, text, ...more } = detail as Partial<
    Record<string, string>
  >;
  const known = phase === undefined ? undefined : (phaseWords[phase] ?? phase);
  const where = [transport, known].filter((part) => part !== undefined).join(", ");
  // The text of an SMTP server includes its codes.
  const codes = [code, enhancedCode].filter(
    (part) => part !== undefined && text?.includes(part) !== true,
  );
  const what = [...codes, text].filter((part) => part !== undefined).join(" ");
  const rest = Object.entries(more)
    .map(([name, value]) =>
      (value as unknown) === true ? name : `${name}: ${JSON.stringify(value)}`,
    )
    .join(", ");
  return { where, what: [what, rest].filter((part) => part !== "").join(": ") };
}
