import { beforeEach, describe, expect, it } from "vitest";
import { VirtualClock } from "../../test/support/virtual-clock.ts";
import { TelemetryClient } from "./client.ts";
import type { Report } from "./rules/rpc.ts";

const HOUR_MS = 3_600_000;
let clock: VirtualClock;
let reports: Report[];
let errors: unknown[];
let counted: Record<string, number>;
let increments: Record<string, number>[];
let client: TelemetryClient;
let how: "answers" | "loses" | "hangs";
beforeEach(() => {
  [clock, reports, errors, increments, counted, how] = [
    new VirtualClock(),
    [],
    [],
    [],
    { hits: 0 },
    "answers",
  ];
  let names = 0;
  client = new TelemetryClient({
    send: async (report) => {
      reports.push(report);
      if (how === "hangs") await new Promise(() => undefined);
      if (how === "loses") throw new Error("the reply was lost");
    },
    totals: () => ({ ...counted }),
    clock,
    background: (work) => void work.catch((error: unknown) => errors.push(error)),
    newId: () => `isolate-${(names += 1)}`,
    notify: (error) => errors.push(error),
    arrived: (grown) => increments.push(grown),
  });
});

const hit = (times = 1): void => {
  for (let n = 0; n < times; n += 1) {
    counted["hits"] = (counted["hits"] ?? 0) + 1;
    client.touch();
  }
};
/** What the object has in all: the most that each isolate said. */
const sum = (): number => {
  const most = new Map<string, number>();
  for (const { isolate, totals } of reports)
    most.set(isolate, Math.max(totals["hits"] ?? 0, most.get(isolate) ?? 0));
  return [...most.values()].reduce((total, each) => total + each, 0);
};

describe("what an isolate counts", () => {
  it("is reported together, two seconds after the first of it, as totals", async () => {
    hit(1_000);
    await clock.advance(1_999);
    expect(reports).toEqual([]);
    await clock.advance(1);
    hit(5);
    await clock.advance(2_000);
    expect(reports).toEqual([
      { isolate: "isolate-1", totals: { hits: 1_000 } },
      { isolate: "isolate-1", totals: { hits: 1_005 } },
    ]);
  });

  it("is told once: what is known to have arrived is left out of the next report", async () => {
    hit(2);
    counted["misses"] = 1;
    await clock.advance(2_000);
    hit();
    await clock.advance(2_000);
    expect(reports.map(({ totals }) => totals)).toEqual([{ hits: 2, misses: 1 }, { hits: 3 }]);
    expect(increments).toEqual([{ hits: 2, misses: 1 }, { hits: 1 }]);
  });

  it("is reported again when the report failed, and counts once", async () => {
    how = "loses";
    hit(3);
    await clock.advance(2_000);
    how = "answers";
    hit();
    await clock.advance(2_000);
    expect(sum()).toBe(4);
    expect(errors).toHaveLength(1);
    expect(increments).toEqual([{ hits: 4 }]);
  });

  it("never falls: a report that arrives after a later one tells nothing new", async () => {
    const answers: (() => void)[] = [];
    const slow = new TelemetryClient({
      send: async (report) => {
        reports.push(report);
        await new Promise<void>((answer) => answers.push(answer));
      },
      totals: () => ({ ...counted }),
      clock,
      background: (work) => void work.catch((error: unknown) => errors.push(error)),
      newId: () => "isolate-1",
      notify: (error) => errors.push(error),
      arrived: (grown) => increments.push(grown),
    });
    for (const hits of [10, 15]) {
      counted["hits"] = hits;
      slow.touch();
      await clock.advance(2_000);
    }
    for (const answer of answers.toReversed()) {
      answer();
      await clock.advance(0);
    }
    expect(increments).toEqual([{ hits: 15 }, {}]);
  });

  it("is reported although a report never comes back", async () => {
    how = "hangs";
    hit();
    await clock.advance(8_000);
    how = "answers";
    hit();
    await clock.advance(2_000);
    expect(sum()).toBe(2);
  });

  it("counts under a new name after an hour of silence, from zero: the old one may have been added up", async () => {
    hit(7);
    await clock.advance(2_000);
    await clock.advance(2 * HOUR_MS);
    hit(2);
    await clock.advance(2_000);
    expect(reports.at(-1)).toEqual({ isolate: "isolate-2", totals: { hits: 2 } });
    expect(sum()).toBe(9);
  });

  it("is never counted twice: not when a report arrived, its answer was lost and the isolate fell silent", async () => {
    hit(1_000);
    how = "loses";
    await clock.advance(2_000);
    how = "answers";
    await clock.advance(2 * HOUR_MS);
    hit(11);
    await clock.advance(2_000);
    expect(sum()).toBe(1_011);
  });

  it("is scheduled anew when the request that was to report has died", async () => {
    const { after } = clock;
    clock.after = () => () => undefined;
    hit();
    clock.after = after.bind(clock);
    await clock.advance(8_000);
    hit();
    await clock.advance(2_000);
    expect(sum()).toBe(2);
  });
});
