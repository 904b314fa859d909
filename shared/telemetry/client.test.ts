import { beforeEach, describe, expect, it } from "vitest";
import { VirtualClock } from "../../test/support/virtual-clock.ts";
import { TelemetryClient } from "./client.ts";
import type { CounterReport } from "./rules/rpc.ts";

const HOUR_MS = 3_600_000;
let clock: VirtualClock;
let reports: CounterReport[];
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
    onError: (error) => errors.push(error),
    onReported: (grown) => increments.push(grown),
  });
});

const hit = (times = 1): void => {
  for (let n = 0; n < times; n += 1) {
    counted["hits"] = (counted["hits"] ?? 0) + 1;
    client.touch();
  }
};
/** The object's totals: the highest report of each isolate. */
const sum = (): number => {
  const most = new Map<string, number>();
  for (const { isolate, totals } of reports)
    most.set(isolate, Math.max(totals["hits"] ?? 0, most.get(isolate) ?? 0));
  return [...most.values()].reduce((total, each) => total + each, 0);
};

describe("a count of an isolate", () => {
  it("is reported after two seconds, together with later ones, as totals", async () => {
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

  it("is left out of the next report once it was acknowledged", async () => {
    hit(2);
    counted["misses"] = 1;
    await clock.advance(2_000);
    hit();
    await clock.advance(2_000);
    expect(reports.map(({ totals }) => totals)).toEqual([{ hits: 2, misses: 1 }, { hits: 3 }]);
    expect(increments).toEqual([{ hits: 2, misses: 1 }, { hits: 1 }]);
  });

  it("is reported again if the report failed, and counts once", async () => {
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

  it("never decreases when a report arrives after a later one", async () => {
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
      onError: (error) => errors.push(error),
      onReported: (grown) => increments.push(grown),
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

  it("is reported although an earlier report never got a reply", async () => {
    how = "hangs";
    hit();
    await clock.advance(8_000);
    how = "answers";
    hit();
    await clock.advance(2_000);
    expect(sum()).toBe(2);
  });

  it("is reported under a new name, from zero, after an hour without reports", async () => {
    hit(7);
    await clock.advance(2_000);
    await clock.advance(2 * HOUR_MS);
    hit(2);
    await clock.advance(2_000);
    expect(reports.at(-1)).toEqual({ isolate: "isolate-2", totals: { hits: 2 } });
    expect(sum()).toBe(9);
  });

  it("counts once although a reply was lost and the isolate was then idle", async () => {
    hit(1_000);
    how = "loses";
    await clock.advance(2_000);
    how = "answers";
    await clock.advance(2 * HOUR_MS);
    hit(11);
    await clock.advance(2_000);
    expect(sum()).toBe(1_011);
  });

  it("is reported by a later request if the first one ended early", async () => {
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
