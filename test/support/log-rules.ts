/** What no log line may have, by a name that a failing test can print. */
const forbidden: [string, RegExp][] = [
  ["an address", /[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+\.[A-Za-z]{2,}/],
  ["an API key", /luna_[A-Za-z0-9_-]{20,}/],
  ["a bearer token", /Bearer\s+\S/i],
  ["an operator's token", /test-(admin|readonly)-token/],
  ["a webhook's secret", /whsec_[A-Za-z0-9+/=]/],
  ["a signed token", /eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+\./],
];

/**
 * What is wrong with a log line: nothing, for one that is JSON with a level and an event, and has
 * no secret.
 */
export function wrongWithLine(line: string): string[] {
  const wrong = forbidden.flatMap(([name, pattern]) =>
    pattern.test(line) ? [`has ${name}: ${line}`] : [],
  );
  try {
    const { level, event } = JSON.parse(line) as { level?: unknown; event?: unknown };
    return typeof level === "string" && typeof event === "string"
      ? wrong
      : [...wrong, `has no level or event: ${line}`];
  } catch {
    return [...wrong, `is no JSON: ${line}`];
  }
}
