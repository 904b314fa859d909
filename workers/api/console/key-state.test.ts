import { expect, it } from "vitest";
import { keyIn, keyState, lackOf, noKey, userState } from "./key-state.ts";

const now = Date.parse("2026-11-30T00:00:00Z");

it.each([
  [{ test: false }, "good", "valid"],
  [{ test: true }, "good", "valid, for tests"],
  [{ test: false, expiresAt: "2026-11-30T00:00:00.001Z" }, "good", "valid"],
  [{ test: false, expiresAt: "2026-11-30T00:00:00.000Z" }, "bad", "expired"],
] as const)("the key %j is shown as %s: %s", (key, tone, text) => {
  expect(keyState(key, now)).toEqual({ tone, text });
});

it("a suspended user is shown with the reason", () => {
  const at = "2026-11-30T00:00:00.000Z";
  expect(userState({})).toEqual({ tone: "good", text: "active" });
  expect(userState({ suspended: { at, reason: "spam" } })).toEqual({
    tone: "warn",
    text: "suspended: spam",
  });
});

it("a new key needs a name, and a role or a scope, of which it names one", () => {
  const named = { ...noKey, name: " CI " };
  expect(lackOf(noKey)).toBe("Enter a name.");
  expect(lackOf(named)).toBe("Choose a scope.");
  const scoped = { ...named, scopes: ["emails:send"], day: "2027-01-01", test: true } as const;
  expect(lackOf(scoped)).toBeUndefined();
  expect(keyIn(scoped)).toEqual({
    name: "CI",
    scopes: ["emails:send"],
    expiresAt: "2027-01-01T00:00:00Z",
    test: true,
  });
  expect(lackOf({ ...scoped, role: "support" })).toBeUndefined();
  expect(keyIn({ ...named, role: "support", scopes: ["emails:send"] })).toEqual({
    name: "CI",
    role: "support",
  });
});
