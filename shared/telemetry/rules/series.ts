/**
 * Names of series as isolates report them: `metric{label=value,...}`, like those of Prometheus but
 * without quotes. Pure.
 */

export type Series = { name: string; labels: Record<string, string> };

/** Characters that are replaced in label values, so that series can be parsed. */
const UNSAFE = /[^\w.:+-]/g;
const MAX_VALUE_LENGTH = 64;

/** The series of a metric, with its labels in the given order. */
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

/** The syntax of a series. A name without labels may have dots. */
export const SERIES = /^[a-zA-Z][\w.]{0,63}(?:\{[\w.:=,+-]{1,250}\})?$/;
