import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DAY_MS } from "../../lib/base/clock.ts";
import {
  afterPage,
  beginCount,
  countChanges,
  countStateOf,
  countStates,
  daysToCount,
  fromStored,
  MAX_NAMES,
  REST,
  rowsOf,
  toStored,
  type CountedEmail,
  type CountRow,
  type DayState,
} from "./counts.ts";
import { emailStatuses } from "./lifecycle.ts";

const HOUR_MS = DAY_MS / 24;
const today = Date.parse("2026-11-25T00:00:00Z");

const anyEmail = fc.record({
  tenant: fc.constantFrom("admin", "user:ada", "user:bob"),
  status: fc.constantFrom(...emailStatuses),
  tags: fc.uniqueArray(fc.constantFrom("welcome", "trial", "__proto__", "constructor")),
  sender: fc.constantFrom("a@b.cc", "d@e.ff"),
  transport: fc.constantFrom(null, "smtp", "resend"),
});
const emails = fc
  .array(anyEmail, { maxLength: 30 })
  .map((some) =>
    some
      .toSorted((a, b) => (a.tenant < b.tenant ? -1 : 1))
      .map((one, n): CountedEmail => ({ ...one, at: n, id: `e${n}` })),
  );

/** As a shell counts: page by page, with what is stored between two pages. */
function countAll(all: readonly CountedEmail[], size: number): CountRow[] {
  let progress = beginCount(0);
  const rows: CountRow[] = [];
  for (let place = 0; place <= all.length; place += size) {
    const page = all.slice(place, place + size);
    const last = page.length < size ? (page.at(-1)?.tenant ?? progress.tenant) : null;
    const stored = fromStored(JSON.parse(JSON.stringify(toStored(progress))) as never);
    const next = afterPage(stored ?? beginCount(-1), page, last);
    progress = next.progress;
    rows.push(...next.counted.flatMap(({ tenant, tally }) => rowsOf(tenant, tally)));
  }
  return [...rows, ...rowsOf("", progress.all)];
}

const totalOf = (row: CountRow | undefined): number =>
  row === undefined ? 0 : countStates.reduce((sum, state) => sum + row[state], 0);
const find = (rows: readonly CountRow[], tenant: string, kind: string, name: string) =>
  rows.find((row) => row.tenant === tenant && row.kind === kind && row.name === name);

describe("the counts of a day", () => {
  it("have each email once, by tenant and for all, on pages of any size", () => {
    fc.assert(
      fc.property(emails, fc.integer({ min: 1, max: 7 }), (all, size) => {
        const rows = countAll(all, size);
        for (const tenant of ["", "admin", "user:ada", "user:bob"]) {
          const own = all.filter((one) => tenant === "" || one.tenant === tenant);
          const day = find(rows, tenant, "day", REST);
          expect(totalOf(day)).toBe(own.length);
          for (const state of countStates)
            expect(day?.[state] ?? 0).toBe(
              own.filter(({ status }) => countStateOf(status) === state).length,
            );
          for (const tag of ["welcome", "trial", "__proto__", "constructor"])
            expect(totalOf(find(rows, tenant, "tag", tag))).toBe(
              own.filter(({ tags }) => tags.includes(tag)).length,
            );
          expect(totalOf(find(rows, tenant, "transport", "smtp"))).toBe(
            own.filter(({ transport }) => transport === "smtp").length,
          );
        }
        expect(
          new Set(rows.map((row) => JSON.stringify([row.tenant, row.kind, row.name]))).size,
        ).toBe(rows.length);
      }),
    );
  });

  it("keep 100 names of a kind, and the sum of the rest", () => {
    const all = Array.from({ length: 250 }, (_, n) => ({
      tenant: "admin",
      at: n,
      id: `e${n}`,
      status: "sent" as const,
      tags: [`tag-${n % 125}`],
      sender: "a@b.cc",
      transport: null,
    }));
    const rows = countAll(all, 40).filter(({ tenant, kind }) => tenant === "" && kind === "tag");
    expect(rows).toHaveLength(MAX_NAMES + 1);
    expect(find(rows, "", "tag", "tag-7")).toMatchObject({ sent: 2 });
    expect(find(rows, "", "tag", REST)).toMatchObject({ sent: 50 });
  });

  it("begin again where another release stored how far it had come", () => {
    expect(fromStored({ ...toStored(beginCount(1)), v: 2 } as never)).toBeNull();
  });

  it("change in storage only where they differ", () => {
    fc.assert(
      fc.property(emails, emails, (before, now) => {
        const [stored, counted] = [countAll(before, 5), countAll(now, 3)];
        const { changed, gone } = countChanges(stored, counted);
        const key = ({ tenant, kind, name }: CountRow) => JSON.stringify([tenant, kind, name]);
        const result = new Map(stored.map((row) => [key(row), row]));
        for (const row of changed) {
          expect(result.get(key(row))).not.toEqual(row);
          result.set(key(row), row);
        }
        for (const row of gone) expect(result.delete(key(row))).toBe(true);
        expect(result).toEqual(new Map(counted.map((row) => [key(row), row])));
      }),
    );
    const rows = countAll([], 1);
    expect(countChanges(rows, rows)).toEqual({ changed: [], gone: [] });
  });
});

describe("the days that are counted", () => {
  const at = (daysAgo: number) => new Date(today - daysAgo * DAY_MS).toISOString().slice(0, 10);
  const counted = (times: Record<number, number>): DayState[] =>
    Array.from({ length: 31 }, (_, n) => ({
      day: at(n),
      countedAt: times[n] ?? today + DAY_MS,
      isUnderWay: false,
    }));

  it("are all of the last 30 that never were, the newest first", () => {
    const days = daysToCount([], today + HOUR_MS);
    expect(days).toHaveLength(31);
    expect(days.slice(0, 2)).toEqual(["2026-11-25", "2026-11-24"]);
  });

  it.each([
    [0, 0, 2, true],
    [0, 2, 3, false],
    [1, -1, 0, true],
    [1, 0, 23, false],
    [2, -1, 0, true],
    [2, 0, 1, false],
    [3, -1, 0, false],
    [4, -1, 0, true],
    [8, -1, 0, true],
    [9, -1, 0, false],
  ])(
    "have one of %i days ago, counted at hour %i, at hour %i: %o",
    (daysAgo, countedAtHour, nowHour, isDue) => {
      const known = counted({ [daysAgo]: today + countedAtHour * HOUR_MS });
      const days = daysToCount(known, today + nowHour * HOUR_MS);
      expect(days.includes(at(daysAgo))).toBe(isDue);
    },
  );

  it("begin with one whose count is under way", () => {
    const known = [{ day: "2026-11-20", countedAt: null, isUnderWay: true }];
    expect(daysToCount(known, today + HOUR_MS)[0]).toBe("2026-11-20");
  });
});
