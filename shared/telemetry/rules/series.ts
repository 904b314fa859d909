/**
 * Names of series as isolates report them: `metric{label=value,...}`, as Prometheus has them but
 * for the quotes. Pure.
 */

export type Series = { name: string; labels: Record<string, string> };

/** What no label has: it keeps a name short and easy to read back. */
const UNSAFE = /[^\w.:+-]/g;
const MAX_VALUE_LENGTH = 64;

/** The series of a metric. Its labels come in the order in which they are given. */
export function seriesOf(name: string, labels: Readonly<Record<string, string | number>>): string {
  let text = "";
  for (const label in labels)
    text += `${text === "" ? "" : ","}${label}=${safe(String(labels[label]))}`;
  return text === "" ? name : `${name}{${text}}`;
}

function safe(value: string): string {
  return value.slice(0, MAX_VALUE_LENGTH).replace(UNSAFE, "_");
}

export function parseSeries(text: string): Series {
  const at = text.indexOf("{");
  if (at === -1) return { name: text, labels: {} };
  const pairs = text
    .slice(at + 1, -1)
    .split(",")
    .map((pair): [string, string] => [
      pair.slice(0, pair.indexOf("=")),
      pair.slice(pair.indexOf("=") + 1),
    ]);
  return { name: text.slice(0, at), labels: Object.fromEntries(pairs) };
}

/** What such a name looks like; names without labels may have dots. */
export const SERIES = /^[a-zA-Z][\w.]{0,63}(?:\{[\w.:=,+-]{1,250}\})?$/;
