import fc from "fast-check";
import { expect, it } from "vitest";
import { runs } from "../../../test/support/seed.ts";
import { evaluate, quiet, type Alert } from "./evaluate.ts";
import { severitiesFrom, severityOf } from "./severity.ts";
import { applySilence, silenceOf, type Silence } from "./silences.ts";

const MINUTE_MS = 60_000;
const start = 1_700_000_000_000;

it("in any history, an alert that fires without a silence has been notified", () => {
  const minute = fc.record({ holds: fc.boolean(), isSilenced: fc.boolean() });
  fc.assert(
    fc.property(
      fc.array(minute, { maxLength: 60 }),
      fc.constantFrom(0, 2 * MINUTE_MS),
      (history, recoveryMs) => {
        let alert: Alert = quiet;
        let known = false;
        history.forEach(({ holds, isSilenced }, n) => {
          const now = start + n * MINUTE_MS;
          const evaluated = evaluate(alert, { holds, forMs: 0 }, { now, recoveryMs });
          const found = applySilence(evaluated, { isSilenced, holds, now });
          ({ alert } = found);
          expect(found.isSilenced).toBe(isSilenced && found.notice !== null);
          if (found.notice !== null && !isSilenced) known = found.notice !== "recovered";
          const isDue = holds && !isSilenced && alert.firedAt !== null;
          expect(known || !isDue).toBe(true);
        });
      },
    ),
    { numRuns: runs },
  );
});

it("without a silence each notice is as evaluated", () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 60 }), (history) => {
      let alert: Alert = quiet;
      history.forEach((holds, n) => {
        const now = start + n * MINUTE_MS;
        const evaluated = evaluate(alert, { holds, forMs: 0 }, { now, recoveryMs: 0 });
        const found = applySilence(evaluated, { isSilenced: false, holds, now });
        expect(found).toEqual({ ...evaluated, isSilenced: false });
        ({ alert } = found);
      });
    }),
    { numRuns: runs },
  );
});

const silence = (match: string, startsAt: number, endsAt: number): Silence => ({
  id: match,
  match,
  reason: "maintenance",
  createdBy: "ada",
  startsAt,
  endsAt,
});

it.each([
  ["breaker:*", "breaker:email:smtp", true],
  ["*", "execution", true],
  ["email:dead", "email:dead", true],
  ["email:dead", "email:dead-letters", false],
  ["email:d", "email:dead", false],
  ["breaker:*", "breakers:refused", false],
])("a silence of %s and the alert %s: %s", (match, key, holds) => {
  expect(silenceOf([silence(match, 0, 2)], key, 1) !== null).toBe(holds);
});

it("a silence holds from its beginning to its end, which is excluded, and the longest is shown", () => {
  const silences = [silence("a*", 10, 20), silence("ab", 12, 30), silence("abc", 0, 99)];
  const at = (now: number) => silenceOf(silences, "ab", now)?.match ?? null;
  expect([9, 10, 12, 29, 30].map(at)).toEqual([null, "a*", "ab", "ab", null]);
});

it("pages wake an operator, and a channel of tickets gets pages, too", () => {
  expect(["breaker:x", "overdue:y", "storage:95", "email:due"].map(severityOf)).toEqual(
    Array.from({ length: 4 }, () => "page"),
  );
  expect(["task:x", "storage:85", "email:dead", "late:y"].map(severityOf)).toEqual(
    Array.from({ length: 4 }, () => "ticket"),
  );
  expect(severitiesFrom("ticket")).toEqual(["ticket", "page"]);
  expect(severitiesFrom("page")).toEqual(["page"]);
});
