import type { AnswerBody } from "./api.ts";
import type { Tone } from "./ui/bits.tsx";

/** What the pages of templates decide. Pure. */

type Listed = AnswerBody<"listTemplates">["items"][number];
export type ShownTemplate = AnswerBody<"getTemplate">;

/** What emails get that name the template. */
export function templateState({ source, publishedVersion }: Listed): { tone: Tone; text: string } {
  if (source === "built-in") return { tone: "idle", text: "built in" };
  return publishedVersion === undefined
    ? { tone: "warn", text: "no version published" }
    : { tone: "good", text: `version ${publishedVersion} published` };
}

/** The fields of the editor, as text. */
export type Edited = {
  subject: string;
  html: string;
  text: string;
  layout: boolean;
  example: string;
};

export const blank: Edited = {
  subject: "",
  html: "",
  text: "",
  layout: true,
  example: "{}",
};

type Content = Pick<ShownTemplate, "subject" | "html" | "text" | "layout" | "example">;

export const editedOf = ({ subject, html, text = "", layout, example }: Content): Edited => ({
  subject,
  html,
  text,
  layout,
  example: JSON.stringify(example, null, 2),
});

type Draft = {
  subject: string;
  html: string;
  text?: string;
  layout: boolean;
  example: Record<string, unknown>;
};

/** @returns null if the example is no JSON object */
export function draftFrom({ subject, html, text, layout, example }: Edited): Draft | null {
  const data = objectOf(example);
  if (data === null) return null;
  return { subject, html, ...(text !== "" && { text }), layout, example: data };
}

function objectOf(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

export type DiffLine = { sign: " " | "+" | "-"; line: string };

/** More would freeze the page. */
const MAX_DIFF_LINES = 600;

/** What changed from one text to another, by lines; null if they are too long to compare. */
export function lineDiff(from: string, to: string): DiffLine[] | null {
  const [before, after] = [from.split("\n"), to.split("\n")];
  if (before.length > MAX_DIFF_LINES || after.length > MAX_DIFF_LINES) return null;
  // The longest common part of what follows each pair of places.
  const common = Array.from({ length: before.length + 1 }, () =>
    Array.from({ length: after.length + 1 }, () => 0),
  );
  const at = (n: number, m: number): number => common[n]?.[m] ?? 0;
  for (let n = before.length - 1; n >= 0; n -= 1)
    for (let m = after.length - 1; m >= 0; m -= 1) {
      const row = common[n] ?? [];
      row[m] = before[n] === after[m] ? at(n + 1, m + 1) + 1 : Math.max(at(n + 1, m), at(n, m + 1));
    }
  const lines: DiffLine[] = [];
  let [n, m] = [0, 0];
  while (n < before.length || m < after.length) {
    const [old, now] = [before[n], after[m]];
    if (old !== undefined && old === now) {
      lines.push({ sign: " ", line: old });
      n += 1;
      m += 1;
    } else if (now === undefined || (old !== undefined && at(n + 1, m) >= at(n, m + 1))) {
      lines.push({ sign: "-", line: old ?? "" });
      n += 1;
    } else {
      lines.push({ sign: "+", line: now });
      m += 1;
    }
  }
  return lines;
}
