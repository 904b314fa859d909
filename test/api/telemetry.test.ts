import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";

let next = 0;
const newObject = () => env.TELEMETRY.getByName(`telemetry-${(next += 1)}`);

describe("the fleet's counters", () => {
  it("are the sums over all isolates, however often each reports, and outlive an eviction", async () => {
    const object = newObject();
    await object.report({ isolate: "a", totals: { "cache.hitsL1": 5, "cache.misses": 1 } });
    await object.report({ isolate: "b", totals: { "cache.hitsL1": 10 } });
    await object.report({ isolate: "a", totals: { "cache.hitsL1": 7 } });
    await object.report({ isolate: "a", totals: { "cache.hitsL1": 7 } });
    await evictDurableObject(object);
    // An older report that comes late takes nothing away.
    await object.report({ isolate: "a", totals: { "cache.hitsL1": 2 } });
    expect(await object.totals()).toEqual({ "cache.hitsL1": 17, "cache.misses": 1 });
  });

  it("keep what isolates counted that have ended, in one row a counter", async () => {
    const object = newObject();
    for (let n = 0; n < 50; n += 1) await object.report({ isolate: `ended-${n}`, totals: { reads: 2 } });
    await runInDurableObject(object, (instance) => {
      instance.clock = () => Date.now() + 3 * 3_600_000;
    });
    await object.report({ isolate: "living", totals: { reads: 1 } });
    await object.report({ isolate: "living", totals: { reads: 3 } });
    expect(await object.totals()).toEqual({ reads: 103 });
    const isolates = await runInDurableObject(object, (_, { storage }) => storage.sql.exec("SELECT id FROM isolates").toArray().length);
    expect(isolates).toBe(1);
  });

  it.each([
    [{ isolate: "", totals: {} }, "isolate"],
    [{ isolate: "a", totals: { "no name!": 1 } }, "totals"],
    [{ isolate: "a", totals: { reads: -1 } }, "totals.reads"],
    [{ isolate: "a", totals: { reads: 0.5 } }, "totals.reads"],
    [{ isolate: "a", totals: Object.fromEntries(Array.from({ length: 201 }, (_, n) => [`n${n}`, 1])) }, "totals"],
  ])("refuse %j by the name of the field, and count nothing", async (report, field) => {
    const object = newObject();
    const refused = await object.report(report);
    expect(refused).toMatchObject({ ok: false, error: { tag: "invalid" } });
    expect(JSON.stringify(refused)).toContain(`"path":"${field}`);
    expect(await object.totals()).toEqual({});
  });
});
