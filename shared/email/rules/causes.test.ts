import fc from "fast-check";
import { expect, it } from "vitest";
import { causesOf, type DeadOf } from "./causes.ts";

const letter = fc.record<DeadOf>({
  id: fc.uuid(),
  reason: fc.constantFrom("permanent", "exhausted"),
  lastError: fc.option(
    fc.record({
      transport: fc.constantFrom("smtp", "resend"),
      phase: fc.constantFrom("RCPT TO", "DATA"),
      code: fc.constantFrom(550, 421),
      enhancedCode: fc.constantFrom("5.1.1", "5.7.1"),
      text: fc.string(),
    }),
  ),
  buriedAt: fc.nat(1_000),
});

it("each dead letter is under one cause, whose reason and codes are its own", () => {
  fc.assert(
    fc.property(fc.uniqueArray(letter, { selector: ({ id }) => id }), (letters) => {
      const causes = causesOf(letters);
      const byId = new Map(letters.map((one) => [one.id, one]));
      expect(causes.flatMap(({ ids }) => ids).toSorted()).toEqual([...byId.keys()].toSorted());
      for (const { ids, reason, code, transport, oldestAt, newestAt } of causes) {
        const own = ids.flatMap((id) => byId.get(id) ?? []);
        for (const one of own) {
          expect([one.reason, one.lastError?.code ?? null]).toEqual([reason, code]);
          expect(one.lastError?.transport ?? null).toBe(transport);
        }
        expect(own.map(({ buriedAt }) => buriedAt)).toEqual(
          expect.arrayContaining([oldestAt, newestAt]),
        );
      }
      const keys = causes.map((one) =>
        JSON.stringify([one.reason, one.transport, one.phase, one.code, one.enhancedCode]),
      );
      expect(new Set(keys).size).toBe(keys.length);
    }),
  );
});

it("texts do not divide a cause, and the cause of most comes first", () => {
  const detail = { transport: "smtp", phase: "RCPT TO", code: 550, text: "no user ada" };
  const causes = causesOf([
    { id: "1", reason: "exhausted", lastError: null, buriedAt: 9 },
    { id: "2", reason: "permanent", lastError: detail, buriedAt: 1 },
    { id: "3", reason: "permanent", lastError: { ...detail, text: "no user bob" }, buriedAt: 2 },
  ]);
  expect(causes).toMatchObject([
    { ids: ["2", "3"], code: 550, text: "no user bob", oldestAt: 1, newestAt: 2 },
    { ids: ["1"], code: null },
  ]);
});
