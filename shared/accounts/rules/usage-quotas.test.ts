import { expect, it } from "vitest";
import { parseUsageQuotas, untilNextMonthMs } from "./usage-quotas.ts";

it("quotas have the metrics and tiers that are limited", () => {
  const parsed = parseUsageQuotas(" exports=10, 1000 ,0; api_calls = 0,0,0;constructor=1,2,3 ;");
  expect(parsed.ok && [...parsed.value]).toEqual([
    ["exports", { free: 10, pro: 1_000 }],
    ["api_calls", {}],
    ["constructor", { free: 1, pro: 2, enterprise: 3 }],
  ]);
});

it.each(["", " ", " ; "])("no metric is limited by %j", (text) => {
  expect(parseUsageQuotas(text)).toEqual({ ok: true, value: new Map() });
});

it.each([
  "exports",
  "exports=10,1000",
  "exports=10,1000,0,0",
  "exports=10,,0",
  "exports=10,-1,0",
  "exports=10,1.5,0",
  "exports=10,many,0",
  "exports=1,2,3=4",
  "exports:1,2,3",
  "1st=1,2,3",
  "no spaces=1,2,3",
  "=1,2,3",
  "exports=1,2,9007199254740993",
  "exports=1,2,3, calls=1,2,3",
])("%j is no quota", (text) => {
  expect(parseUsageQuotas(text)).toMatchObject({ error: /^must have three whole numbers per me/ });
});

it("a metric has one quota", () => {
  const twice = parseUsageQuotas("exports=1,2,3; exports=4,5,6");
  expect(twice).toEqual({ ok: false, error: "names a metric twice" });
});

it.each([
  ["2026-11-30T23:59:59.000Z", 1_000],
  ["2026-12-01T00:00:00.000Z", 31 * 86_400_000],
  ["2026-12-31T00:00:00.000Z", 86_400_000],
  ["2028-02-01T00:00:00.000Z", 29 * 86_400_000],
])("after %s the next month begins in %d ms", (at, ms) => {
  expect(untilNextMonthMs(Date.parse(at))).toBe(ms);
});
