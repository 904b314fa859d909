import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { evaluate, quiet, type Alert, type AlertCondition } from "./evaluate.ts";
import { parseHeld, storedHeld, type Held } from "./held.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const RECOVERY_MS = 5 * MINUTE_MS;
const start = 1_700_000_000_000;
const since = (from: number): Held[] => [{ from, until: null, isCounted: true }];
const firing: Alert = { ...quiet, holdsSince: start, firedAt: start, held: since(start) };

const found = (
  alert: Alert,
  condition: Omit<AlertCondition, "key" | "summary">,
  now: number,
  recoveryMs = RECOVERY_MS,
) => evaluate(alert, condition, { now, recoveryMs });

describe("an alert", () => {
  const held = { holds: true, forMs: 0 };
  const over = { holds: false, forMs: 0 };

  it("fires when its condition begins to hold, and not each time it is found to hold", () => {
    expect(found(quiet, held, start)).toEqual({ alert: firing, notice: "fired" });
    expect(found(firing, held, start + MINUTE_MS).notice).toBeNull();
  });

  it("fires only once its condition has held for as long as required", () => {
    const long = { holds: true, forMs: 5 * MINUTE_MS };
    const first = found(quiet, long, start);
    expect(first.notice).toBeNull();
    expect(found(first.alert, long, start + 5 * MINUTE_MS - 1).notice).toBeNull();
    expect(found(first.alert, long, start + 5 * MINUTE_MS).notice).toBe("fired");
    expect(found(first.alert, { ...long, holds: false }, start + MINUTE_MS)).toMatchObject({
      alert: { holdsSince: null, firedAt: null },
      notice: null,
    });
  });

  it("fires once its condition has held for its share of a window, with breaks", () => {
    const share = { forMs: 5 * MINUTE_MS, windowMs: 10 * MINUTE_MS };
    let alert: Alert = quiet;
    const notices = [true, true, false, true, true, true, true, true].map((holds, minute) => {
      const evaluated = found(alert, { ...share, holds }, start + minute * MINUTE_MS);
      alert = evaluated.alert;
      return evaluated.notice;
    });
    expect(notices.indexOf("fired")).toBe(6);
    expect(alert.holdsSince).toBe(start + 3 * MINUTE_MS);
  });

  it("reminds once per day while its condition holds, and recovers once", () => {
    const day = found(firing, held, start + DAY_MS);
    expect(day.notice).toBe("reminder");
    expect(found(day.alert, held, start + 2 * DAY_MS - 1).notice).toBeNull();
    expect(found(day.alert, held, start + 2 * DAY_MS).notice).toBe("reminder");
    const ended = found(day.alert, over, start + 2 * DAY_MS);
    expect(ended.notice).toBeNull();
    expect(found(ended.alert, over, start + 2 * DAY_MS + RECOVERY_MS)).toMatchObject({
      alert: { holdsSince: null, firedAt: null, remindedAt: null },
      notice: "recovered",
    });
    expect(found(quiet, over, start).notice).toBeNull();
  });

  it("goes on firing if its condition holds again before the alert is over", () => {
    const ended = found(firing, over, start + MINUTE_MS);
    expect(ended.alert).toMatchObject({ holdsSince: start, firedAt: start });
    const again = found(ended.alert, held, start + MINUTE_MS + RECOVERY_MS - 1);
    expect(again).toMatchObject({ alert: { holdsSince: start, firedAt: start }, notice: null });
    const overAgain = found(again.alert, over, start + MINUTE_MS + RECOVERY_MS);
    expect(overAgain.notice, "the time starts again").toBeNull();
  });

  it("is over at once if what it is about is gone, or if no time is configured", () => {
    expect(found(firing, { ...over, isGone: true }, start + 1)).toEqual({
      alert: quiet,
      notice: "recovered",
    });
    expect(found(quiet, { ...over, isGone: true }, start + 1).notice).toBeNull();
    expect(found(firing, over, start + 1, 0).notice).toBe("recovered");
  });

  it("that flaps fires again as a plain alert once it has held for two hours", () => {
    const flapping = { ...firing, flappingSince: start };
    expect(found(flapping, held, start + 24 * RECOVERY_MS - 1).alert.flappingSince).toBe(start);
    expect(found(flapping, held, start + 24 * RECOVERY_MS).alert.flappingSince).toBeNull();
  });

  it("starts its time again if the clock was set back", () => {
    const long = { holds: true, forMs: MINUTE_MS };
    const { alert } = found(quiet, long, start);
    expect(found(alert, long, start - DAY_MS).alert.holdsSince).toBe(start - DAY_MS);
    expect(found(alert, long, start - DAY_MS).notice).toBeNull();
  });
});

const step = fc.record({ holds: fc.boolean(), laterMs: fc.integer({ min: 0, max: 2 * DAY_MS }) });
const minutes = fc.record({ holds: fc.boolean(), laterMs: fc.constant(MINUTE_MS) });

it("an alert recovers before it fires again, only if it fired, and never twice in a short time", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.array(step, { maxLength: 100 }), fc.array(minutes, { maxLength: 400 })),
      fc.constantFrom(0, 5 * MINUTE_MS),
      fc.constantFrom(0, RECOVERY_MS),
      (steps, forMs, recoveryMs) => {
        let now = start;
        let alert: Alert = quiet;
        const notices: { kind: string; at: number }[] = [];
        for (const { holds, laterMs } of steps) {
          now += laterMs;
          const evaluated = found(alert, { holds, forMs }, now, recoveryMs);
          ({ alert } = evaluated);
          if (evaluated.notice !== null) notices.push({ kind: evaluated.notice, at: now });
          expect(alert.held.length).toBeLessThanOrEqual(40);
        }
        const kinds = notices.map(({ kind }) => kind);
        expect(kinds.filter((kind) => kind !== "reminder").join(" ")).toMatch(
          /^((fired|flapping)( flapping)* recovered ?)*((fired|flapping)( flapping)*)?$/,
        );
        expect(kinds.join(" ")).not.toMatch(/(^|recovered )reminder/);
        const recovered = notices.flatMap(({ kind, at }) => (kind === "recovered" ? [at] : []));
        const spans = recovered.slice(1).map((at, n) => at - (recovered[n] ?? 0));
        expect(Math.min(...spans, RECOVERY_MS)).toBeGreaterThanOrEqual(recoveryMs);
      },
    ),
  );
});

describe("what is stored of the times at which a condition held", () => {
  it("is read as it was written", () => {
    const held: Held[] = [
      { from: 1, until: 2, isCounted: false },
      { from: 3, until: null, isCounted: true },
    ];
    expect(parseHeld(storedHeld(held), { holdsSince: 1, firedAt: 3 })).toEqual(held);
  });

  it.each([
    ["null, of an alert that fires", null, { holdsSince: 5, firedAt: 6 }, since(5)],
    [
      "null, of an alert that has not fired",
      null,
      { holdsSince: 5, firedAt: null },
      [{ from: 5, until: null, isCounted: false }],
    ],
    ["null, of a quiet alert", null, { holdsSince: null, firedAt: null }, []],
    [
      "open although the previous release ended the alert",
      "[[1,null,1]]",
      { holdsSince: null, firedAt: null },
      [{ from: 1, until: 1, isCounted: true }],
    ],
    [
      "older than the alert of the previous release",
      "[[1,null,1]]",
      { holdsSince: 9, firedAt: 9 },
      since(9),
    ],
  ])("by the previous release follows from its columns: %s", (_, text, columns, held) => {
    expect(parseHeld(text, columns)).toEqual(held);
  });
});
