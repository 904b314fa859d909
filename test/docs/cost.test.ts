import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assumptions } from "../../bench/cost/assumptions.ts";
import { levers } from "../../bench/cost/levers.ts";
import { bindsAt, limits } from "../../bench/cost/limits.ts";
import { askedOf, batchSize, loadOf, usageOf } from "../../bench/cost/model.ts";
import { countsOn } from "../../bench/cost/operations.ts";
import { rendered, spoken } from "../../bench/cost/page.ts";
import { bill, billed, prices, total, type Billed, type Usage } from "../../bench/cost/prices.ts";

/**
 * The prices of docs/operate/cost.md, from its counts on. The counts themselves are held to the
 * Workers by test/{api,consumer,cron}/cost.test.ts.
 */

const page = readFileSync("docs/operate/cost.md", "utf8");
const counts = countsOn(page);
const nothing = Object.fromEntries(billed.map((name) => [name, 0])) as Usage;
const billOf = (used: Partial<Record<Billed, number>>): number =>
  total(bill({ ...nothing, ...used }));
const monthly = (design: "luna" | "naive", requests: number): number =>
  total(bill(usageOf(design, requests, counts, assumptions)));
const requestsAMonth = fc.double({ min: 1, max: 1e12, noNaN: true });

it("the tables of the page follow from its counts: `npm run cost` brings them up to date", () => {
  expect(page).toBe(rendered(page, assumptions));
});

it("a page that lacks a count, or has one that is no number, is refused by name", () => {
  expect(() => countsOn(page.replace("| user seen |", "| user met |"))).toThrow(
    "no counts of user seen",
  );
  expect(() => countsOn(page.replace(/(\| user seen \| )–/, "$1some"))).toThrow(
    '"some" is no number',
  );
  expect(() => rendered(page.replace("<!-- bills -->", ""), assumptions)).toThrow(
    "no section bills",
  );
});

describe("a bill", () => {
  it("is that of Cloudflare's own examples", () => {
    expect(billOf({ requests: 15e6, cpuMs: 7 * 15e6 })).toBeCloseTo(1.5 + 1.5);
    expect(billOf({ requests: 100e6, cpuMs: 7 * 100e6 })).toBeCloseTo(27 + 13.4);
    expect(billOf({ logGb: 75, logGbMonths: 20 })).toBeCloseTo(7.05);
    expect(billOf({ queueOperations: 3 * 1e6 })).toBeCloseTo(0.8);
  });

  it("is nothing for what is included, and never less for more", () => {
    expect(billOf(Object.fromEntries(billed.map((name) => [name, prices[name].included])))).toBe(0);
    fc.assert(
      fc.property(
        requestsAMonth,
        fc.double({ min: 1, max: 10, noNaN: true }),
        (requests, factor) => {
          expect(monthly("luna", requests * factor)).toBeGreaterThanOrEqual(
            monthly("luna", requests) * (1 - 1e-9),
          );
        },
      ),
    );
  });

  it("of the naive design is more than luna's from ten million requests per month on, with as many an isolate as are assumed", () => {
    fc.assert(
      fc.property(fc.double({ min: 1e7, max: 1e12, noNaN: true }), (requests) => {
        expect(monthly("naive", requests)).toBeGreaterThan(monthly("luna", requests));
      }),
    );
  });
});

it("an isolate with fewer requests than the page states costs more than asking in each of them would", () => {
  const [, said = ""] = /cheaper than to ask in each \| ([\d.]+)/.exec(page) ?? [];
  const compared = (requestsPerIsolateSecond: number): number => {
    const given = {
      ...assumptions,
      fromMemory: 1,
      fromKv: 0,
      fromD1: 0,
      reads: 1,
      writes: 0,
      emails: 0,
      usersSeen: 0,
      requestsPerIsolateSecond,
    };
    const [luna, naive] = (["luna", "naive"] as const).map((design) =>
      total(bill(usageOf(design, 1e12, counts, given))),
    );
    return (luna ?? 0) - (naive ?? 0);
  };
  expect(compared(Number(said) * 0.9)).toBeGreaterThan(0);
  expect(compared(Number(said) * 1.1)).toBeLessThan(0);
});

describe("an isolate of luna", () => {
  it("never asks an object more often than it has requests", () => {
    fc.assert(
      fc.property(requestsAMonth, (requests) => {
        const { index, kvBreaker } = askedOf(
          "luna",
          loadOf(requests, "luna", assumptions),
          counts,
          assumptions,
        );
        expect(index.objectRequests).toBeLessThanOrEqual(requests * (1 + 1e-9));
        expect(kvBreaker.objectRequests).toBeLessThanOrEqual(requests * (1 + 1e-9));
      }),
    );
  });

  it("asks no more for having more requests: where each has ten times as many, a tenth is asked for each", () => {
    const busier = {
      ...assumptions,
      requestsPerIsolateSecond: 10 * assumptions.requestsPerIsolateSecond,
    };
    const [few, many] = [assumptions, busier].map(
      (given) => askedOf("luna", loadOf(1e10, "luna", given), counts, given).index.objectRequests,
    );
    expect((few ?? 0) / (many ?? 0)).toBeCloseTo(10);
  });
});

it("emails come in batches of what a second brings", () => {
  expect([0, 0.2, 9.9, 10, 99, 100, 5_000].map(batchSize)).toEqual([1, 1, 1, 10, 10, 100, 100]);
});

it.each(limits)("at the load that the page names $name is used up, and not before", (limit) => {
  for (const design of ["luna", "naive"] as const) {
    const at = bindsAt(limit, design, counts, assumptions);
    expect(limit.share(design, at, counts, assumptions)).toBeGreaterThanOrEqual(1);
    expect(limit.share(design, at * 0.99, counts, assumptions)).toBeLessThan(1);
  }
});

it.each(levers)("$name saves something, and less than everything", ({ saved }) => {
  expect(saved(1e10, counts, assumptions)).toBeGreaterThan(0);
  expect(saved(1e10, counts, assumptions)).toBeLessThan(monthly("luna", 1e10));
});

it("numbers are rounded to two digits", () => {
  expect([0.1, 5, 400_000, 1e6, 1.84e9, 4.9e11, 2e13].map(spoken)).toEqual([
    "0.1",
    "5",
    "400,000",
    "1 million",
    "1.8 billion",
    "490 billion",
    "20 trillion",
  ]);
});
