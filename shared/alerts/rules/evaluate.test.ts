import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { judge, quiet, type Alert } from "./evaluate.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const start = 1_700_000_000_000;
const firing: Alert = { holdsSince: start, firedAt: start, remindedAt: null };

describe("somebody is told", () => {
  it("when it begins to hold, and not each time it is found to hold", () => {
    expect(judge(quiet, { holds: true, forMs: 0 }, start)).toEqual({ alert: firing, say: "fired" });
    expect(judge(firing, { holds: true, forMs: 0 }, start + MINUTE_MS).say).toBeNull();
  });

  it("only once it has held for as long as it has to", () => {
    const first = judge(quiet, { holds: true, forMs: 5 * MINUTE_MS }, start);
    expect(first.say).toBeNull();
    expect(
      judge(first.alert, { holds: true, forMs: 5 * MINUTE_MS }, start + 5 * MINUTE_MS - 1).say,
    ).toBeNull();
    expect(
      judge(first.alert, { holds: true, forMs: 5 * MINUTE_MS }, start + 5 * MINUTE_MS).say,
    ).toBe("fired");
    expect(judge(first.alert, { holds: false, forMs: 5 * MINUTE_MS }, start + MINUTE_MS)).toEqual({
      alert: quiet,
      say: null,
    });
  });

  it("again once a day while it lasts, and once when it is over", () => {
    const day = judge(firing, { holds: true, forMs: 0 }, start + DAY_MS);
    expect(day.say).toBe("reminder");
    expect(judge(day.alert, { holds: true, forMs: 0 }, start + 2 * DAY_MS - 1).say).toBeNull();
    expect(judge(day.alert, { holds: true, forMs: 0 }, start + 2 * DAY_MS).say).toBe("reminder");
    expect(judge(day.alert, { holds: false, forMs: 0 }, start + 2 * DAY_MS)).toEqual({
      alert: quiet,
      say: "recovered",
    });
    expect(judge(quiet, { holds: false, forMs: 0 }, start).say).toBeNull();
  });
});

it("over any life, what fired recovers before it fires again, and nothing recovers that did not fire", () => {
  const step = fc.record({ holds: fc.boolean(), laterMs: fc.integer({ min: 0, max: 2 * DAY_MS }) });
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 100 }),
      fc.constantFrom(0, 5 * MINUTE_MS),
      (steps, forMs) => {
        let now = start;
        let alert: Alert = quiet;
        const said: string[] = [];
        for (const { holds, laterMs } of steps) {
          now += laterMs;
          const judged = judge(alert, { holds, forMs }, now);
          alert = judged.alert;
          if (judged.say !== null) said.push(judged.say);
        }
        expect(said.filter((kind) => kind !== "reminder").join(" ")).toMatch(
          /^(fired recovered ?)*(fired)?$/,
        );
        expect(said.join(" ")).not.toMatch(/(^|recovered )reminder/);
      },
    ),
  );
});
