import { describe, expect, it } from "vitest";
import { isDatabaseFault } from "./faults.ts";

describe("an error of D1", () => {
  it.each([
    "D1_ERROR: Network connection lost.",
    // As workerd says it when D1 cannot be reached at all.
    "Network connection lost.",
    "internal error; reference = abc",
    "Durable Object is overloaded. Too many requests queued.",
    "D1_ERROR: D1 DB is overloaded. Requests queued for too long.",
    "D1_ERROR: D1 DB storage operation exceeded timeout which caused object to be reset.",
    "D1_ERROR: Internal error while starting up D1 DB storage caused object to be reset.",
    "D1_ERROR: database is locked: SQLITE_BUSY",
    "D1_ERROR: disk I/O error: SQLITE_IOERR",
    "D1_ERROR: database or disk is full: SQLITE_FULL",
  ])("speaks against the database: %s", (message) => {
    expect(isDatabaseFault(new Error(message))).toBe(true);
  });

  it.each([{ retryable: true }, { overloaded: true }])(
    "speaks against the database when the runtime says so: %j",
    (flags) => {
      expect(isDatabaseFault(Object.assign(new Error("something"), flags))).toBe(true);
    },
  );

  it("speaks against the database when it does not come in time", () => {
    expect(isDatabaseFault(new DOMException("no answer within 5000 ms", "TimeoutError"))).toBe(
      true,
    );
  });

  it.each([
    "D1_ERROR: no such table: usres: SQLITE_ERROR",
    "D1_ERROR: UNIQUE constraint failed: users.email: SQLITE_CONSTRAINT",
    "D1_ERROR: datatype mismatch: SQLITE_MISMATCH",
    "D1_ERROR: Wrong number of parameter bindings for SQL query.",
    "D1_TYPE_ERROR: Type 'undefined' not supported for value 'undefined'",
  ])("speaks against the caller: %s", (message) => {
    expect(isDatabaseFault(new Error(message))).toBe(false);
  });

  it.each([
    new SyntaxError("Unexpected token"),
    new TypeError("x is not a function"),
    new DOMException("gone", "AbortError"),
    "text",
    undefined,
  ])("is not what a defect or a corrupt value throws: %s", (error) =>
    expect(isDatabaseFault(error)).toBe(false),
  );
});
