import { expect, it } from "vitest";
import { limitThatHolds, refusesNew, sizeText, sizeWithForecast } from "./size.ts";

const DAY_MS = 86_400_000;
const now = Date.parse("2026-11-25T12:00:00Z");
const today = Date.parse("2026-11-25T00:00:00Z");
const GB = 1e9;
const at = (daysAgo: number, bytes: number) => ({ day: today - daysAgo * DAY_MS, bytes });
const size = (bytes: number, ...earlier: ReturnType<typeof at>[]) =>
  sizeWithForecast({ bytes, limitBytes: 10 * GB }, earlier, now);

it("the forecast is linear, from the oldest of the last two weeks", () => {
  expect(size(7.1 * GB, at(0, 7 * GB), at(10, 6.05 * GB), at(5, 7 * GB))).toMatchObject({
    fullInDays: 29,
  });
  expect(size(7 * GB, at(13.5, 6 * GB), at(40, 1 * GB)).fullInDays).toBe(42);
  expect(size(11 * GB, at(10, GB)).fullInDays).toBe(0);
});

it("there is no forecast without growth, nor from less than a day", () => {
  expect(size(7 * GB).fullInDays).toBeNull();
  expect(size(7 * GB, at(0, 6 * GB)).fullInDays).toBeNull();
  expect(size(6 * GB, at(10, 7 * GB)).fullInDays).toBeNull();
});

it("new data is refused from 95 % on, and taken again below 93 %", () => {
  const refuses = (bytes: number, before: boolean) =>
    refusesNew({ bytes, limitBytes: 100 }, before);
  expect([94, 95, 96].map((bytes) => refuses(bytes, false))).toEqual([false, true, true]);
  expect([92, 93, 94].map((bytes) => refuses(bytes, true))).toEqual([false, true, true]);
});

it("a database that was full below its limit has that size as its limit until it is larger", () => {
  const limit = (bytes: number, full: number | null) =>
    limitThatHolds({ bytes, limitBytes: 100 }, full);
  expect(limit(40, null)).toBe(100);
  expect([39, 40, 41].map((bytes) => limit(bytes, 40))).toEqual([40, 40, 100]);
  expect(limit(110, 110)).toBe(100);
});

it("the text has the share, and when it is full", () => {
  expect(sizeText(size(7.16 * GB))).toBe("71 % of 10.0 GB");
  expect(sizeText({ bytes: 9, limitBytes: 1e9, fullInDays: 1 })).toBe(
    "0 % of 1.0 GB, full in 1 day at this rate",
  );
  expect(sizeText({ bytes: 4e8, limitBytes: 5e8, fullInDays: 0 })).toBe(
    "80 % of 500 MB, full in 0 days at this rate",
  );
});
