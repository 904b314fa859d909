import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { evaluate, quiet, type Alert } from "./evaluate.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const start = 1_700_000_000_000;
const firing: Alert = { holdsSince: start, firedAt: start, remindedAt: null };

describe("an alert", () => {
  it("fires when its condition begins to hold, and not each time it is found to hold", () => {
    expect(evaluate(quiet, { holds: true, forMs: 0 }, start)).toEqual({
      alert: firing,
      notice: "fired",
    });
    expect(evaluate(firing, { holds: true, forMs: 0 }, start + MINUTE_MS).notice).toBeNull();
  });

  it("fires only once its condition has held for as long as required", () => {
    const held = { holds: true, forMs: 5 * MINUTE_MS };
    const first = evaluate(quiet, held, start);
    expect(first.notice).toBeNull();
    expect(evaluate(first.alert, held, start + 5 * MINUTE_MS - 1).notice).toBeNull();
    expect(evaluate(first.alert, held, start + 5 * MINUTE_MS).notice).toBe("fired");
    expect(evaluate(first.alert, { ...held, holds: false }, start + MINUTE_MS)).toEqual({
      alert: quiet,
      notice: null,
    });
  });

  it("reminds once a day while its condition holds, and recovers once", () => {
    const held = { holds: true, forMs: 0 };
    const day = evaluate(firing, held, start + DAY_MS);
    expect(day.notice).toBe("reminder");
    expect(evaluate(day.alert, held, start + 2 * DAY_MS - 1).notice).toBeNull();
    expect(evaluate(day.alert, held, start + 2 * DAY_MS).notice).toBe("reminder");
    expect(evaluate(day.alert, { holds: false, forMs: 0 }, start + 2 * DAY_MS)).toEqual({
      alert: quiet,
      notice: "recovered",
    });
    expect(evaluate(quiet, { holds: false, forMs: 0 }, start).notice).toBeNull();
  });
});

it("an alert recovers before it fires again, and only if it fired", () => {
  const step = fc.record({ holds: fc.boolean(), laterMs: fc.integer({ min: 0, max: 2 * DAY_MS }) });
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 100 }),
      fc.constantFrom(0, 5 * MINUTE_MS),
      (steps, forMs) => {
        let now = start;
        let alert: Alert = quiet;
        const notices: string[] = [];
        for (const { holds, laterMs } of steps) {
          now += laterMs;
          const evaluated = evaluate(alert, { holds, forMs }, now);
          alert = evaluated.alert;
          if (evaluated.notice !== null) notices.push(evaluated.notice);
        }
        expect(notices.filter((kind) => kind !== "reminder").join(" ")).toMatch(
          /^(fired recovered ?)*(fired)?$/,
        );
        expect(notices.join(" ")).not.toMatch(/(^|recovered )reminder/);
      },
    ),
  );
});
