import fc from "fast-check";
import { describe, expect, inject, it } from "vitest";
import { signedReturnPath, verifiedReturnPath } from "../return-path.ts";
import { RETURN_PATH_DAYS } from "./return-path.ts";

const DAY_MS = 86_400_000;
const now = Date.parse("2026-11-30T12:00:00Z");
const secrets = ["s".repeat(32)];
const settings = { domain: "bounces.example.com", secrets };
const handOver = { id: "0199a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b", generation: 1, part: 1 };
const address = (email = handOver, at = now): string =>
  signedReturnPath(settings, email, at) ?? "none";

const numRuns = inject("runs");
const seed = inject("seed");
const handOvers = fc.record({
  id: fc.uuid(),
  generation: fc.integer({ min: 1, max: 65_535 }),
  part: fc.integer({ min: 1, max: 65_535 }),
});

describe("a Return-Path", () => {
  it("names the hand-over, in at most 64 octets of lower-case letters, digits and a plus", () => {
    fc.assert(
      fc.property(handOvers, (email) => {
        const path = address(email);
        expect(path).toMatch(/^bounce\+[a-z2-7]{55}@bounces\.example\.com$/);
        expect(path.indexOf("@")).toBeLessThanOrEqual(64);
        expect(verifiedReturnPath(settings, path, now)).toMatchObject({ ok: true, email });
      }),
      { numRuns, seed },
    );
  });

  it("is read also by a server that changes upper and lower case or adds angle brackets", () => {
    for (const path of [address().toUpperCase(), `<${address()}>`])
      expect(verifiedReturnPath(settings, path, now)).toMatchObject({ ok: true, email: handOver });
  });

  it("with any other letter is not signed", () => {
    const letter = fc.constantFrom(...Array.from("abcdefghijklmnopqrstuvwxyz234567"));
    fc.assert(
      fc.property(handOvers, fc.integer({ min: 0, max: 54 }), letter, (email, at, other) => {
        const path = address(email);
        const place = "bounce+".length + at;
        fc.pre(path[place] !== other);
        const forged = path.slice(0, place) + other + path.slice(place + 1);
        expect(verifiedReturnPath(settings, forged, now)).toEqual({
          ok: false,
          reason: "unsigned",
        });
      }),
      { numRuns, seed },
    );
  });

  it("of another secret, and any other address, is not signed", () => {
    const others = [
      signedReturnPath({ ...settings, secrets: ["t".repeat(32)] }, handOver, now) ?? "",
      "bounce@bounces.example.com",
      "postmaster@bounces.example.com",
      `bounce+${"a".repeat(55)}@bounces.example.com`,
      `bounce+${"a".repeat(54)}@bounces.example.com`,
      "",
    ];
    for (const one of others)
      expect(verifiedReturnPath(settings, one, now)).toEqual({ ok: false, reason: "unsigned" });
    expect(verifiedReturnPath({ secrets: [] }, address(), now).ok).toBe(false);
  });

  it("is signed by the first secret, and verified by each of them, for rotation", () => {
    const rotated = { ...settings, secrets: ["n".repeat(32), ...secrets] };
    expect(verifiedReturnPath(rotated, address(), now).ok).toBe(true);
    const fresh = signedReturnPath(rotated, handOver, now) ?? "";
    expect(verifiedReturnPath(rotated, fresh, now).ok).toBe(true);
    expect(verifiedReturnPath(settings, fresh, now).ok).toBe(false);
  });

  it("expires, and is not of the future", () => {
    const at = (days: number) => verifiedReturnPath(settings, address(), now + days * DAY_MS);
    expect(at(RETURN_PATH_DAYS).ok).toBe(true);
    expect(at(RETURN_PATH_DAYS + 1)).toEqual({ ok: false, reason: "expired" });
    expect(at(-1).ok).toBe(true);
    expect(at(-2)).toEqual({ ok: false, reason: "expired" });
  });

  it("is not there for an email that it cannot name", () => {
    expect(signedReturnPath(settings, { ...handOver, generation: 65_536 }, now)).toBeNull();
    expect(signedReturnPath(settings, { ...handOver, id: "email-1" }, now)).toBeNull();
  });
});
