import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { inTurns, laneOf, type Turn } from "./turns.ts";

type Email = Turn & { n: number };
const emails = (...turns: (Partial<Turn> & { tenant: string })[]): Email[] =>
  turns.map((turn, n) => ({ category: "transactional", hasBacklog: false, ...turn, n }));
const order = (list: Email[]): number[] => inTurns(list).map(({ n }) => n);

const anyEmails = fc
  .array(
    fc.record({
      tenant: fc.constantFrom("a", "b", "c"),
      category: fc.constantFrom("transactional" as const, "notification" as const),
      backlogged: fc.constantFrom("a", "b", "none"),
    }),
    { maxLength: 60 },
  )
  .map((list) =>
    list.map(({ tenant, category }, n): Email => ({
      tenant,
      category,
      hasBacklog: tenant === list[0]?.backlogged,
      n,
    })),
  );

describe("emails of one claim", () => {
  it("leave with the transactional ones first", () => {
    expect(
      order(
        emails(
          { tenant: "a", category: "marketing" },
          { tenant: "a", category: "notification" },
          { tenant: "b" },
        ),
      ),
    ).toEqual([2, 0, 1]);
  });

  it("leave one per tenant and round: a tenant with many delays another by one each", () => {
    const many = Array.from({ length: 4 }, () => ({ tenant: "a" }));
    expect(order(emails(...many, { tenant: "b" }, { tenant: "b" }))).toEqual([0, 4, 1, 5, 2, 3]);
  });

  it("leave before those of a tenant that waits for the rate already", () => {
    expect(order(emails({ tenant: "a", hasBacklog: true }, { tenant: "b" }))).toEqual([1, 0]);
  });

  it("each leave once, in their tenant's order, and an earlier lane reserves no less far", () => {
    fc.assert(
      fc.property(anyEmails, (list) => {
        const turns = inTurns(list);
        expect(turns.map(({ n }) => n).toSorted((a, b) => a - b)).toEqual(list.map(({ n }) => n));
        const lanes = turns.map(({ category }) => laneOf(category));
        expect(lanes).toEqual(lanes.toSorted());
        const ahead = turns.map(({ reservesAheadMs }) => reservesAheadMs);
        expect(ahead).toEqual(ahead.toSorted((a, b) => b - a));
        for (const tenant of ["a", "b", "c"])
          for (const lane of [0, 1]) {
            const own = turns.flatMap((one) =>
              one.tenant === tenant && laneOf(one.category) === lane ? [one.n] : [],
            );
            expect(own).toEqual(own.toSorted((a, b) => a - b));
          }
      }),
    );
  });

  it("of each tenant get as many of the first places as those of any other that has as many", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 5, max: 90 }), (few, many) => {
        const list = emails(
          ...Array.from({ length: many }, () => ({ tenant: "a" })),
          ...Array.from({ length: few }, () => ({ tenant: "b" })),
        );
        const last = inTurns(list).findLastIndex(({ tenant }) => tenant === "b");
        expect(last).toBeLessThan(2 * few);
      }),
    );
  });
});
