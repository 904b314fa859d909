import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { exactText, numberText, rangeText } from "../format.ts";
import { withGaps } from "../series.ts";
import "uplot/dist/uPlot.min.css";
import { OWN_LANGUAGE } from "./language.ts";
// After `language.ts`, see there.
import { UPlot } from "./uplot.ts";

type Color = "a" | "b" | "c" | "bad";
type Span = { fromMs: number; toMs: number | null };

/** `values`: what is drawn, null for a gap. `lower`: the area between it and `values` is filled. */
type Line = {
  label: string;
  color: Color;
  values: readonly (number | null)[];
  lower?: readonly (number | null)[];
  text: (step: number) => string | null;
};

/** Counts of each step, with gaps where nothing was reported. */
export function countLine(
  label: string,
  color: Color,
  counts: readonly number[],
  reported: readonly boolean[],
): Line {
  return valueLine(label, color, withGaps(counts, reported));
}

export function valueLine(
  label: string,
  color: Color,
  values: readonly (number | null)[],
  unit = "",
): Line {
  const text = (step: number): string | null => {
    const value = values[step];
    return value == null ? null : shown(value, unit);
  };
  return { label, color, values, text };
}

/** Quantiles of which only a range is known: the area of that range is filled. */
export function rangeLine(label: string, color: Color, spans: readonly (Span | null)[]): Line {
  return {
    label,
    color,
    values: spans.map((span) => span && (span.toMs ?? span.fromMs)),
    lower: spans.map((span) => span && span.fromMs),
    text: (step) => {
      const span = spans[step];
      return span == null ? null : rangeText(span);
    },
  };
}

const HEIGHT_PX = 150;

type ChartProps = {
  title: string;
  from: string;
  stepSeconds: number;
  lines: Line[];
  /** On the axis. */
  unit?: string;
};

/** Lines over time, in UTC like the logs. Text beside them has the same figures. */
export function Chart({ title, from, stepSeconds, lines, unit = "" }: ChartProps) {
  const [pointed, setPointed] = useState<number | null>(null);
  const start = Date.parse(from) / 1_000;
  const times = (lines[0]?.values ?? []).map((_, n) => start + n * stepSeconds);
  const data = [
    times,
    ...lines.flatMap(({ values, lower }, n) => [
      // A line at zero would lie on the axis.
      n > 0 && values.every((value) => !value) ? values.map(() => null) : [...values],
      ...(lower ? [[...lower]] : []),
    ]),
  ] as UPlot.AlignedData;
  const place = usePlot({ lines, data, stepSeconds, unit }, setPointed);
  return (
    <figure class="chart">
      <figcaption>
        <strong>
          {title}
          {pointed !== null && (
            <span class="since"> at {exactText((times[pointed] ?? 0) * 1_000)}</span>
          )}
        </strong>
        <span class="keys">
          {lines.map((line) => (
            <span key={line.label} class={`key ${line.color}`}>
              <i aria-hidden="true" />
              {line.label}: {pointed === null ? summary(line) : (line.text(pointed) ?? "no data")}
            </span>
          ))}
        </span>
      </figcaption>
      <div ref={place} class="plot" aria-hidden="true" />
    </figure>
  );
}

type Drawn = { lines: Line[]; data: UPlot.AlignedData; stepSeconds: number; unit: string };

/** Draws into the element of the returned reference. `onPoint`: the step under the pointer. */
function usePlot(
  drawn: Drawn,
  onPoint: (index: number | null) => void,
): RefObject<HTMLDivElement | null> {
  const { data, stepSeconds } = drawn;
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot | null>(null);
  // `draw` is created once and runs again when the colours change: it needs the latest data.
  const latest = useRef(drawn);
  latest.current = drawn;
  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const draw = (): void => {
      plot.current?.destroy();
      const now = latest.current;
      const options = optionsFor(element, now, onPoint);
      plot.current = new UPlot(options, now.data, element);
    };
    draw();
    const resized = new ResizeObserver(() =>
      plot.current?.setSize({ width: element.clientWidth, height: HEIGHT_PX }),
    );
    resized.observe(element);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", draw);
    return () => {
      resized.disconnect();
      dark.removeEventListener("change", draw);
      plot.current?.destroy();
      plot.current = null;
    };
  }, [stepSeconds]);
  useEffect(() => plot.current?.setData(data));
  return place;
}

function summary({ values, text }: Line): string {
  const known = values.flatMap((value, n) => (value === null ? [] : [{ value, n }]));
  const last = known.at(-1);
  if (last === undefined) return "no data yet";
  const most = known.reduce((one, other) => (other.value > one.value ? other : one));
  return `${text(last.n) ?? ""} latest, at most ${text(most.n) ?? ""}`;
}

const shown = (value: number, unit: string): string =>
  `${numberText(Math.round(value * 10) / 10)}${unit === "" ? "" : ` ${unit}`}`;

/** Draws points for values beside gaps, which make no line. */
const alone: UPlot.Series.Points.Filter = (plot, series) =>
  [...(plot.data[series] ?? [])].flatMap((value, n, all) =>
    value != null && all[n - 1] == null && all[n + 1] == null ? [n] : [],
  );

function optionsFor(
  element: HTMLElement,
  { lines, stepSeconds, unit }: Drawn,
  onPoint: (index: number | null) => void,
): UPlot.Options {
  const style = getComputedStyle(element);
  const color = (name: string): string => style.getPropertyValue(name).trim();
  const day = new Intl.DateTimeFormat(OWN_LANGUAGE, {
    day: "numeric",
    month: "short",
    timeZone: "UTC",
  });
  const hour = new Intl.DateTimeFormat(OWN_LANGUAGE, {
    hour: "2-digit",
    minute: "2-digit",
    timeZone: "UTC",
  });
  const axis = {
    stroke: color("--ink-2"),
    grid: { stroke: color("--line"), width: 1 },
    ticks: { show: false },
    font: "12px system-ui",
  };
  return {
    width: element.clientWidth,
    height: HEIGHT_PX,
    legend: { show: false },
    hooks: { setCursor: [({ cursor }) => onPoint(cursor.idx ?? null)] },
    padding: [8, 20, 0, 0],
    tzDate: (time) => UPlot.tzDate(new Date(time * 1_000), "Etc/UTC"),
    cursor: { y: false, points: { show: false } },
    scales: { y: { range: (_, _min, max) => [0, Math.max(max * 1.1, 1)] } },
    axes: [
      {
        ...axis,
        size: 28,
        space: 60,
        values: (_, times) =>
          times.map((time) =>
            (time % 86_400 === 0 && stepSeconds > 60 ? day : hour).format(time * 1_000),
          ),
      },
      {
        ...axis,
        size: unit === "" ? 44 : 64,
        space: 30,
        values: (_, ticks) => ticks.map((tick) => shown(tick, unit)),
      },
    ],
    ...seriesOf(lines, color),
  };
}

/** A line with a lower bound is two series and the band between them. */
function seriesOf(
  lines: Line[],
  color: (name: string) => string,
): Pick<UPlot.Options, "series" | "bands"> {
  const series: UPlot.Series[] = [{}];
  const bands: UPlot.Band[] = [];
  for (const line of lines) {
    const stroke = color(`--chart-${line.color}`);
    const drawn = { label: line.label, stroke, width: 2, points: { size: 6, filter: alone } };
    series.push(drawn);
    if (line.lower === undefined) continue;
    series.push({ ...drawn, width: 1 });
    bands.push({ series: [series.length - 2, series.length - 1], fill: `${stroke}33` });
  }
  return { series, bands };
}
