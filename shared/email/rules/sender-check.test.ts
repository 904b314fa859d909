import * as fc from "fast-check";
import { expect, it } from "vitest";
import { afterCheck, CHECK_EVERY_MS, MISSING_FOR_MS } from "./sender-check.ts";

const now = 1_700_000_000_000;
const verified = { id: "snd_1", challenge: "sender-verification=x", missingSince: null };
const there = ["v=spf1 -all", " sender-verification=x "];

it("a domain whose record is there stays verified, and is checked a day later", () => {
  expect(afterCheck({ ...verified, missingSince: now - 1 }, there, now)).toEqual({
    id: "snd_1",
    challenge: "sender-verification=x",
    checkedAt: now,
    missingSince: null,
    isOver: false,
  });
});

it("a DNS that does not answer proves nothing, and is asked again after an hour", () => {
  const checked = afterCheck({ ...verified, missingSince: now - MISSING_FOR_MS * 2 }, null, now);
  expect(checked).toMatchObject({ missingSince: now - MISSING_FOR_MS * 2, isOver: false });
  expect(checked.checkedAt + CHECK_EVERY_MS - now).toBe(3_600_000);
});

it("a domain is verified no longer once its record was missing at each check of three days", () => {
  const answer = fc.constantFrom("there", "missing", "none");
  const checks = fc.array(fc.tuple(answer, fc.integer({ min: 1, max: 100 })), { maxLength: 40 });
  fc.assert(
    fc.property(checks, (given) => {
      let [at, missingSince, over] = [now, null as number | null, false];
      let firstMissing: number | null = null;
      for (const [found, hours] of given) {
        at += hours * 3_600_000;
        if (found === "there") firstMissing = null;
        if (found === "missing") firstMissing ??= at;
        const records = { there, missing: ["v=spf1 -all"], none: null }[found];
        const checked = afterCheck({ ...verified, missingSince }, records, at);
        ({ missingSince, isOver: over } = checked);
        const isGone = firstMissing !== null && at - firstMissing >= MISSING_FOR_MS;
        expect(over).toBe(found === "missing" && isGone);
      }
    }),
  );
});
