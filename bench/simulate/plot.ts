import * as echarts from "echarts";

export type Axis = { name: string; scale: "log" | "value"; max?: number };
export type Line = {
  name: string;
  points: [x: number, y: number][];
  dashed?: boolean;
  color?: string;
};

const WIDTH = 760;
const HEIGHT = 400;

/** Lines as SVG, readable on light and dark pages. The same lines are the same bytes. */
export function lines(title: string, x: Axis, y: Axis, series: readonly Line[]): string {
  const chart = echarts.init(null, null, {
    renderer: "svg",
    ssr: true,
    width: WIDTH,
    height: HEIGHT,
  });
  chart.setOption({
    animation: false,
    backgroundColor: "#ffffff",
    title: { text: title, left: "center", textStyle: { fontSize: 15 } },
    legend: { bottom: 0, itemWidth: 30, itemGap: 25 },
    grid: { left: 75, right: 30, top: 50, bottom: 85 },
    xAxis: { ...axis(x), nameGap: 30 },
    yAxis: { ...axis(y), nameGap: 55 },
    series: series.map(({ name, points, dashed = false, color }) => ({
      type: "line",
      name,
      data: points,
      showSymbol: points.length < 20,
      symbolSize: 6,
      ...(color !== undefined && { color }),
      lineStyle: { width: 2, type: dashed ? "dashed" : "solid" },
    })),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  // The library numbers its charts and their parts through for a whole process.
  return `${withOwnNumbers(svg)}\n`;
}

function axis({ name, scale, max }: Axis): object {
  return {
    type: scale,
    name,
    nameLocation: "middle",
    ...(max !== undefined && { max }),
    splitLine: { show: true },
  };
}

function withOwnNumbers(svg: string): string {
  const names = new Map<string, string>();
  return svg.replaceAll(/zr\d+-[a-z]+-?\d+/g, (name) => {
    if (!names.has(name)) names.set(name, `part-${names.size}`);
    return names.get(name) ?? name;
  });
}
