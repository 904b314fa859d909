/** A line of a program's output, and when it was printed. */
export type Printed = { atMs: number; text: string };

const COLUMNS = 110;
const ROWS = 24;
const ROW_PX = 18;
const COLUMN_PX = 7.25;
const PAD_PX = 16;
const BAR_PX = 34;
/** Real time is shortened: a line takes a share of its time, within these limits. */
const SHARE = 0.1;
const SHORTEST_MS = 140;
const LONGEST_MS = 1_200;
/** How long the end stays. */
const END_MS = 6_000;

const WIDTH = Math.ceil(COLUMNS * COLUMN_PX) + 2 * PAD_PX;
const HEIGHT = BAR_PX + ROWS * ROW_PX + PAD_PX;

/**
 * An SVG that plays the output of a program in a terminal, again and again, with CSS only:
 * a cover hides the rows that are not printed yet, and the rows move up. It stands still, at the
 * end, for readers who want less motion.
 */
export function terminalSvg(command: string, printed: readonly Printed[]): string {
  const rows: string[] = [`$ ${command}`];
  /** When how many rows are to be seen. */
  const frames: { atMs: number; rows: number }[] = [{ atMs: 0, rows: 1 }];
  let atMs = LONGEST_MS;
  let before = 0;
  for (const { atMs: realMs, text } of printed) {
    atMs += Math.min(Math.max((realMs - before) * SHARE, SHORTEST_MS), LONGEST_MS);
    before = realMs;
    rows.push(...rowsOf(text));
    frames.push({ atMs, rows: rows.length });
  }
  const loopMs = atMs + END_MS;
  const percent = (ms: number): string => `${((100 * ms) / loopMs).toFixed(2)}%`;
  const keyframes = (name: string, shift: (rows: number) => number): string =>
    `@keyframes ${name}{${frames
      .map((frame) => `${percent(frame.atMs)}{transform:translateY(${shift(frame.rows)}px)}`)
      .join("")}}`;
  const scrolled = (count: number): number => -Math.max(0, count - ROWS) * ROW_PX;
  const lines = rows.map(
    (row, n) => `<text y="${(n + 1) * ROW_PX - 5}" xml:space="preserve">${styled(row)}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img">
<title>A recording of ${escaped(command)}</title>
<style>
text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#d6d8e3}
.dim{fill:#8a8fa3}.ok{fill:#5fd38d}.bad{fill:#ff8a80}.head{fill:#fff;font-weight:700}
${keyframes("scroll", scrolled)}
${keyframes("print", (count) => count * ROW_PX)}
.scroll{transform:translateY(${scrolled(rows.length)}px);animation-name:scroll}
.cover{transform:translateY(${rows.length * ROW_PX}px);animation-name:print}
.scroll,.cover{animation-duration:${loopMs}ms;animation-timing-function:step-end}
.scroll,.cover{animation-iteration-count:infinite}
@media (prefers-reduced-motion:reduce){.scroll,.cover{animation-name:none}}
</style>
<rect width="${WIDTH}" height="${HEIGHT}" rx="10" fill="#14161f"/>
<circle cx="22" cy="17" r="5" fill="#ff6058"/><circle cx="40" cy="17" r="5" fill="#ffbd2e"/>
<circle cx="58" cy="17" r="5" fill="#28c941"/>
<svg x="${PAD_PX}" y="${BAR_PX}" width="${WIDTH - PAD_PX}" height="${ROWS * ROW_PX}">
<g class="scroll">
${lines.join("\n")}
<rect class="cover" width="${WIDTH}" height="${rows.length * ROW_PX}" fill="#14161f"/>
</g>
</svg>
</svg>
`;
}

/** A step has one row, and what does not fit is cut off. Other lines are wrapped between words. */
function rowsOf(text: string): string[] {
  if (text.length <= COLUMNS) return [text];
  if (/^ {2}[✓✗]/.test(text)) return [`${text.slice(0, COLUMNS - 1)}…`];
  const end = text.lastIndexOf(" ", COLUMNS);
  return [text.slice(0, end), ...rowsOf(text.slice(end + 1))];
}

function styled(row: string): string {
  const step = /^( {2})([✓✗])( .*?)( {2,}[\d.]+ m?s)(.*)$/.exec(row);
  if (step === null) return span(/^\S.*[^.:]$/.test(row) ? "head" : "", row);
  const [, indent = "", mark = "", what = "", took = "", note = ""] = step;
  const result = mark === "✓" ? "ok" : "bad";
  return `${indent}${span(result, mark)}${escaped(what)}${span("dim", `${took}${note}`)}`;
}

const span = (name: string, text: string): string =>
  name === "" ? escaped(text) : `<tspan class="${name}">${escaped(text)}</tspan>`;

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
