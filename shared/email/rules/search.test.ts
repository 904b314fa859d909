import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { emailStatuses } from "./lifecycle.ts";
import {
  MAX_EXAMINED,
  pageOfSearch,
  routeOf,
  emailSearchOf,
  searchStart,
  type EmailSearch,
  type Examined,
  type FilterField,
} from "./search.ts";

const text = (...values: string[]) => fc.constantFrom(null, ...values);
const search = fc.record<EmailSearch>({
  tenant: text("admin"),
  status: fc.constantFrom(null, ...emailStatuses),
  tag: text("welcome"),
  from: text("own@a.example", "standard@a.example"),
  to: text("ada@example.com"),
  subject: text("Hi"),
  createdFrom: fc.constantFrom(null, 5),
  createdBefore: fc.constantFrom(null, 9),
});

describe("the index that a search follows", () => {
  const cases: [given: Partial<EmailSearch>, by: string, rest: string[]][] = [
    [{}, "age", []],
    [{ tenant: "admin" }, "age", []],
    [{ to: "ada@example.com", tenant: "admin", status: "dead" }, "recipient", []],
    [{ to: "ada@example.com", status: "sent", tag: "a" }, "recipient", ["status", "tag"]],
    [{ status: "unknown", tag: "a" }, "trouble", ["tag"]],
    [{ status: "queued", tenant: "admin" }, "unsent", []],
    [{ status: "queued" }, "age", ["status"]],
    [{ tag: "a", tenant: "admin" }, "tag", []],
    [{ tag: "a", from: "own@a.example" }, "tag", ["from"]],
    [{ from: "own@a.example" }, "sender", []],
    [{ from: "own@a.example", tenant: "admin" }, "sender", ["tenant"]],
    [{ from: "standard@a.example", tenant: "admin" }, "age", ["from"]],
    [{ subject: "Hi" }, "age", ["subject"]],
  ];
  it.each(cases)("of %o is that by %s, and leaves %o to be looked at", (given, by, rest) => {
    const route = routeOf(emailSearchOf(given), "standard@a.example");
    expect([route.walk.by, route.rest]).toEqual([by, rest]);
  });

  it("leaves no filter out that it does not find itself, and adds none", () => {
    fc.assert(
      fc.property(search, (wanted) => {
        const { walk, rest } = routeOf(wanted, "standard@a.example");
        const byWalk = {
          recipient: ["to"],
          trouble: ["status"],
          unsent: ["status"],
          tag: ["tag"],
          sender: ["from"],
          age: [],
        } as const;
        const found: readonly FilterField[] = byWalk[walk.by];
        const given = Object.entries(wanted).flatMap(([name, value]) =>
          value === null ? [] : [name],
        );
        // What the index finds is wanted, and what is left was given.
        expect(given).toEqual(expect.arrayContaining([...found, ...rest]));
        expect(rest.filter((field) => found.includes(field))).toEqual([]);
        // What only an email itself has is always looked at.
        expect(rest.includes("subject")).toBe(wanted.subject !== null);
      }),
    );
  });
});

describe("a page", () => {
  it("begins at the cursor, and never after the time that it is limited to", () => {
    expect(searchStart({ createdBefore: null }, null).at).toBe(Number.MAX_SAFE_INTEGER);
    expect(searchStart({ createdBefore: 9 }, null)).toEqual({ at: 9, id: "" });
    expect(searchStart({ createdBefore: 9 }, { at: 5, id: "a" })).toEqual({ at: 5, id: "a" });
    expect(searchStart({ createdBefore: 9 }, { at: 12, id: "a" })).toEqual({ at: 9, id: "" });
  });

  /** What a statement would answer for emails of which these match. */
  const found = (matches: boolean[], asked: number): Examined<number>[] =>
    matches
      .slice(0, MAX_EXAMINED)
      .map((one, place) => ({ email: place, n: place + 1, matches: one }))
      .filter((one) => one.matches || one.n === MAX_EXAMINED)
      .slice(0, asked);

  it("after page shows each email that matches once, in order, and ends", () => {
    const emails = fc.array(fc.oneof(fc.boolean(), fc.constant(false)), { maxLength: 40 });
    fc.assert(
      fc.property(emails, fc.nat(2), fc.integer({ min: 1, max: 5 }), (few, times, limit) => {
        const all = [...few, ...Array.from({ length: times * 900 }, () => false), ...few];
        const shown: number[] = [];
        let at = 0;
        for (let page = 0; ; page += 1) {
          expect(page).toBeLessThan(all.length + 2);
          const rows = found(all.slice(at), limit + 1);
          const { emails: some, next } = pageOfSearch(rows, limit, limit + 1);
          expect(some.length).toBeLessThanOrEqual(limit);
          shown.push(...some.map((place) => place + at));
          if (next === null) break;
          at += next + 1;
        }
        expect(shown).toEqual(all.flatMap((one, place) => (one ? [place] : [])));
      }),
    );
  });

  it("without a further email has no next page; one that was cut has where it ended", () => {
    expect(pageOfSearch(found([true, false], 3), 2, 3)).toEqual({
      emails: [0],
      next: null,
      isCut: false,
    });
    const none = Array.from({ length: MAX_EXAMINED + 1 }, () => false);
    expect(pageOfSearch(found(none, 3), 2, 3)).toEqual({
      emails: [],
      next: MAX_EXAMINED - 1,
      isCut: true,
    });
  });
});
