import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { scraped, valueOf } from "../../../test/support/scraped.ts";
import * as keys from "../../accounts/rules/keys.ts";
import { publishedKey, versionKey } from "../../email/templates/rules/keys.ts";
import { CountsByFamily } from "../../lib/cache/rules/counts.ts";
import { countNames, hitsIn, noCounts, type CacheCounts } from "../../lib/cache/rules/index.ts";
import { familyOf } from "../../lib/cache/rules/keys.ts";
import { cacheCountsIn, cacheTotals } from "./cache-counts.ts";
import { exposition } from "./exposition.ts";
import { countsOf } from "./history.ts";
import { cacheFamilies } from "./metrics.ts";

const byFamily = (families: Record<string, Partial<CacheCounts>>) =>
  new Map(Object.entries(families).map(([name, some]) => [name, { ...noCounts(), ...some }]));

describe("the cache's counts in a report", () => {
  it("have the Worker and the family of keys, each from a fixed set", () => {
    const families = byFamily({
      user: { hitsL1: 3 },
      price: { misses: 1, unanswered: 1 },
      "": { purges: 2 },
    });
    expect(cacheTotals("api", families)).toEqual({
      "cache.hitsL1{worker=api,family=user}": 3,
      "cache.misses{worker=api,family=other}": 1,
      "cache.unanswered{worker=api,family=other}": 1,
      "cache.purges{worker=api,family=other}": 2,
    });
    expect(Object.keys(cacheTotals(undefined, families))).toContain(
      "cache.hitsL1{worker=other,family=user}",
    );
  });

  it("cover each family of Luna's keys", () => {
    const built = [
      keys.userKey("1"),
      keys.relatedKey("1", "teams"),
      keys.emailKey("a@b.c"),
      keys.apiKeyKey("hash"),
      publishedKey("user:1"),
      versionKey("tpl_1"),
    ];
    expect(new Set(built.map(familyOf))).toEqual(new Set(cacheFamilies));
  });

  it("are the same for a scrape, for the API and for the charts, with any values", () => {
    const count = fc.nat(1_000);
    fc.assert(
      fc.property(
        fc.record({
          ...fromNames(count),
          staleOnError: count,
          fallbacks: count,
          unanswered: count,
        }),
        fc.constantFrom("api", "cron", undefined),
        fc.constantFrom("user", "email", "price", ""),
        (some, worker, family) => {
          // Each of these three is also a miss.
          const misses = some.misses + some.staleOnError + some.fallbacks + some.unanswered;
          const counts = { ...some, misses };
          const totals = {
            ...cacheTotals(worker, byFamily({ [family]: counts })),
            // An isolate of the release before.
            "cache.hitsL1": 5,
            "cache.misses": 2,
          };
          const api = cacheCountsIn(totals);
          expect(api).toEqual({
            ...counts,
            hitsL1: counts.hitsL1 + 5,
            misses: counts.misses + 2,
          });
          const charts = countsOf(totals);
          expect([charts["cacheHits"] ?? 0, charts["cacheMisses"] ?? 0]).toEqual([
            hitsIn(api),
            api.misses,
          ]);
          const reads = scraped(exposition(totals, [])).families.get("luna_cache_reads_total");
          const sum = (tiers: RegExp): number =>
            (reads?.metrics ?? [])
              .filter(({ labels }) => tiers.test(labels?.["tier"] ?? ""))
              .reduce((total, { value }) => total + Number(value), 0);
          expect(sum(/^(l1|l2|stale)$/)).toBe(hitsIn(api));
          expect(sum(/./)).toBe(hitsIn(api) + api.misses);
        },
      ),
      { numRuns: 30 },
    );
  });

  it("begin at zero for every Worker and family, so that their first count is an increase", () => {
    const scrape = scraped(exposition({}, []));
    for (const worker of ["api", "consumer", "cron", "other"])
      for (const family of ["user", "email", "api_key", "other"])
        expect(
          valueOf(scrape, "luna_cache_reads_total", { tier: "unanswered", worker, family }),
        ).toBe(0);
  });
});

function fromNames<Value>(value: Value) {
  return Object.fromEntries(countNames.map((name) => [name, value])) as Record<
    keyof CacheCounts,
    Value
  >;
}

describe("an isolate's counts", () => {
  it("are kept by family of keys, and of any number of families by those that came first", () => {
    const counts = new CountsByFamily();
    counts.of("user:1").hitsL1 += 1;
    counts.of("user:2:teams").hitsL1 += 1;
    counts.of("plain").misses += 1;
    for (let n = 0; n < 1_000; n += 1) counts.of(`tenant-${n}:x`).loads += 1;
    expect(counts.families.get("user")?.hitsL1).toBe(2);
    expect(counts.families.get("")?.misses).toBe(1);
    expect(counts.families.size).toBeLessThanOrEqual(52);
    expect([...counts.families.values()].reduce((sum, { loads }) => sum + loads, 0)).toBe(1_000);
  });
});
