import { describe, expect, it } from "vitest";
import type { Failure } from "./failure.ts";
import { problemOf, problemResponse } from "./problem.ts";

const failures: Failure[] = [
  { tag: "invalid", errors: [{ path: "email", message: "is required" }] },
  { tag: "malformed-json", detail: "It is not JSON." },
  { tag: "unsupported-media-type", expected: "application/json" },
  { tag: "body-too-large", limitBytes: 10 },
  { tag: "aborted" },
  { tag: "unauthenticated" },
  { tag: "forbidden", detail: "No." },
  { tag: "not-found", what: "user" },
  { tag: "method-not-allowed", allow: ["GET"] },
  { tag: "conflict", field: "email" },
  { tag: "idempotency-key-reused" },
  { tag: "rate-limited", retryAfterMs: 60_000 },
  { tag: "uri-too-long", limitBytes: 10 },
  { tag: "headers-too-large", limitBytes: 10 },
  { tag: "unavailable", dependency: "database" },
  { tag: "database-full", keepsReserve: true },
  { tag: "database-full", keepsReserve: false },
  { tag: "outcome-unknown" },
  { tag: "misconfigured", variable: "EMAIL_FROM", message: "is not set" },
  { tag: "internal" },
];

describe.each(failures)("the answer to $tag", (failure) => {
  it("is an RFC 9457 document whose status is the answer's", async () => {
    const response = problemResponse(failure);
    expect(response.headers.get("Content-Type")).toBe("application/problem+json");
    expect(response.headers.get("Cache-Control")).toBe("no-store");
    expect(response.headers.get("Link")).toBe(`</docs#problem-${failure.tag}>; rel="help"`);
    const body: unknown = await response.json();
    expect(body).toEqual(problemOf(failure));
    expect(body).toMatchObject({
      type: `urn:luna:problem:${failure.tag}`,
      status: response.status,
    });
    expect(problemOf(failure).title).not.toBe("");
    expect(problemOf(failure).detail).not.toBe("");
  });
});

it("an answer names the time to retry, the token to send or the methods to use", () => {
  expect(
    problemResponse({ tag: "unavailable", dependency: "database" }).headers.get("Retry-After"),
  ).toBe("5");
  expect(problemResponse({ tag: "unauthenticated" }).headers.get("WWW-Authenticate")).toBe(
    'Bearer realm="luna"',
  );
  expect(
    problemResponse({ tag: "method-not-allowed", allow: ["GET", "POST"] }).headers.get("Allow"),
  ).toBe("GET, POST");
});
