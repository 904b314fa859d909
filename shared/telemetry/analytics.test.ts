import { expect, it } from "vitest";
import { AnalyticsPoints } from "./analytics.ts";
import { Counters } from "./counters.ts";

const increments = (count: (counters: Counters) => void): Record<string, number> => {
  const counters = new Counters();
  count(counters);
  return counters.totals();
};

it("a counter is a point with its labels and its increment", () => {
  const points = new AnalyticsPoints();
  points.add(
    increments((all) =>
      all.count(
        "luna_http_requests_total",
        { operation: "getUser", method: "GET", status: "2xx" },
        3,
      ),
    ),
  );
  points.add({ "cache.hitsL1": 7 });
  expect(points.take()).toEqual([
    {
      indexes: ["luna_http_requests_total"],
      blobs: ["luna_http_requests_total", "operation=getUser", "method=GET", "status=2xx"],
      doubles: [3, 0],
    },
    { indexes: ["cache.hitsL1"], blobs: ["cache.hitsL1"], doubles: [7, 0] },
  ]);
});

it("a histogram is one point, with its count and its sum in the metric's unit", () => {
  const points = new AnalyticsPoints();
  points.add(
    increments((all) => {
      for (const ms of [4, 90, 1_406])
        all.observe("luna_http_request_duration_seconds", { operation: "getUser" }, ms);
    }),
  );
  expect(points.take()).toEqual([
    {
      indexes: ["luna_http_request_duration_seconds"],
      blobs: ["luna_http_request_duration_seconds", "operation=getUser"],
      doubles: [3, 1.5],
    },
  ]);
});

it("at most 25 points are written at once, the others next, each increment once", () => {
  const points = new AnalyticsPoints();
  const all = Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`of.${n}`, 1]));
  points.add(all);
  const first = points.take();
  points.add(all);
  const written = [
    ...first,
    ...points.take(),
    ...points.take(),
    ...points.take(),
    ...points.take(),
  ];
  expect(first).toHaveLength(25);
  expect(written.reduce((sum, { doubles: [count = 0] }) => sum + count, 0)).toBe(120);
});

it("the number of pending points is bounded", () => {
  const points = new AnalyticsPoints();
  points.add(Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`of.${n}`, 1])));
  let written = 0;
  for (let taken = points.take(); taken.length > 0; taken = points.take()) written += taken.length;
  expect(written).toBe(1_000);
});
