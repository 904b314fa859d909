import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { exactText, numberText } from "../format.ts";
import "uplot/dist/uPlot.min.css";
import { OWN_LANGUAGE } from "./language.ts";
// After `language.ts`, see there.
import { UPlot } from "./uplot.ts";

type Line = { label: string; values: readonly (number | null)[]; color: "a" | "b" | "c" | "bad" };

const HEIGHT_PX = 150;

type ChartProps = {
  title: string;
  from: string;
  stepSeconds: number;
  lines: Line[];
  unit?: string;
};

/** Lines over time, in UTC like the logs. Text beside them has the same figures. */
export function Chart({ title, from, stepSeconds, lines, unit = "" }: ChartProps) {
  const [pointed, setPointed] = useState<number | null>(null);
  const start = Date.parse(from) / 1_000;
  const times = (lines[0]?.values ?? []).map((_, n) => start + n * stepSeconds);
  const data = [times, ...lines.map(({ values }) => [...values])] as UPlot.AlignedData;
  const place = usePlot(lines, data, stepSeconds, setPointed);
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
              {line.label}:{" "}
              {pointed === null ? summary(line.values, unit) : shownAt(line.values[pointed], unit)}
            </span>
          ))}
        </span>
      </figcaption>
      <div ref={place} class="plot" aria-hidden="true" />
    </figure>
  );
}

/** Draws into the element of the returned reference. `onPoint`: the step under the pointer. */
function usePlot(
  lines: Line[],
  data: UPlot.AlignedData,
  stepSeconds: number,
  onPoint: (index: number | null) => void,
): RefObject<HTMLDivElement | null> {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot | null>(null);
  // `draw` is created once and runs again when the colours change: it needs the latest data.
  const latest = useRef({ lines, data });
  latest.current = { lines, data };
  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const draw = (): void => {
      plot.current?.destroy();
      const now = latest.current;
      const options = optionsFor(element, now.lines, stepSeconds, onPoint);
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

function summary(values: readonly (number | null)[], unit: string): string {
  const known = values.filter((value) => value !== null);
  if (known.length === 0) return "no data yet";
  const last = values.findLast((value) => value !== null) ?? 0;
  return `${shown(last, unit)} now, at most ${shown(Math.max(...known), unit)}`;
}

const shownAt = (value: number | null | undefined, unit: string): string =>
  value == null ? "none" : shown(value, unit);
const shown = (value: number, unit: string): string =>
  `${numberText(Math.round(value * 10) / 10)}${unit === "" ? "" : ` ${unit}`}`;

/** Draws points for values without neighbours, which make no line. */
const alone: UPlot.Series.Points.Filter = (plot, series) =>
  [...(plot.data[series] ?? [])].flatMap((value, n, all) =>
    value != null && all[n - 1] == null && all[n + 1] == null ? [n] : [],
  );

function optionsFor(
  element: HTMLElement,
  lines: Line[],
  stepSeconds: number,
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
      { ...axis, size: 44, space: 30 },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        label: line.label,
        stroke: color(`--chart-${line.color}`),
        width: 2,
        points: { size: 6, filter: alone },
      })),
    ],
  };
}
