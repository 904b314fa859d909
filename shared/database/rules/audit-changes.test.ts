import { describe, expect, it } from "vitest";
import { changesBetween, changesOf, mayNameAddress, mergeChanges } from "./audit-changes.ts";

describe("the changes of an audited request", () => {
  it("are the fields whose value differs, with the old and the new one", () => {
    const before = { tier: "free", scopes: "[]", key: "luna_a" };
    expect(changesBetween(before, { ...before, tier: "pro" })).toEqual([
      { field: "tier", from: "free", to: "pro" },
    ]);
    expect(changesBetween(before, before)).toEqual([]);
  });

  it("have one side where an object begins or ends, or a value is null", () => {
    expect(changesBetween(null, { role: "member" })).toEqual([{ field: "role", to: "member" }]);
    expect(changesBetween({ role: "member" }, null)).toEqual([{ field: "role", from: "member" }]);
    expect(changesBetween({ key: "luna_a" }, { key: null })).toEqual([
      { field: "key", from: "luna_a" },
    ]);
    expect(changesBetween(null, null)).toEqual([]);
  });

  it("are, of a body, the named fields that were sent", () => {
    const body = { tier: "pro", email: "hidden", scopes: ["emails:send"], amount: 3, text: "x" };
    expect(changesOf(body, ["tier", "scopes", "amount", "absent"])).toEqual([
      { field: "tier", to: "pro" },
      { field: "scopes", to: '["emails:send"]' },
      { field: "amount", to: 3 },
    ]);
    expect(changesOf({ reason: "x".repeat(500) }, ["reason"])).toEqual([
      { field: "reason", to: "x".repeat(200) },
    ]);
    expect(changesOf({ reason: `${"x".repeat(199)}\u{1F600}` }, ["reason"])).toEqual([
      { field: "reason", to: "x".repeat(199) },
    ]);
    expect(changesOf(undefined, ["tier"])).toEqual([]);
  });

  it("name each field once: what was observed wins over what was asked", () => {
    const observed = [{ field: "tier", from: "free", to: "pro" }];
    const asked = [
      { field: "tier", to: "pro" },
      { field: "scopes", to: "[]" },
    ];
    expect(mergeChanges(observed, asked)).toEqual([...observed, { field: "scopes", to: "[]" }]);
  });

  it.each([
    ["ada@example.com", true],
    ["email:ada%40example.com", true],
    ["user:ada", false],
  ])("%s may name an address: %s", (text, is) => expect(mayNameAddress(text)).toBe(is));
});
