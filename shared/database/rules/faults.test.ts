import { describe, expect, it } from "vitest";
import { isDatabaseFault, isDatabaseFull } from "./faults.ts";

describe("an error of D1", () => {
  it.each([
    "D1_ERROR: Network connection lost.",
    // The message of workerd if D1 cannot be reached at all.
    "Network connection lost.",
    "internal error; reference = abc",
    "Durable Object is overloaded. Too many requests queued.",
    "D1_ERROR: D1 DB is overloaded. Requests queued for too long.",
    "D1_ERROR: D1 DB storage operation exceeded timeout which caused object to be reset.",
    "D1_ERROR: Internal error while starting up D1 DB storage caused object to be reset.",
    "D1_ERROR: database is locked: SQLITE_BUSY",
    "D1_ERROR: disk I/O error: SQLITE_IOERR",
  ])("counts as a fault of the database: %s", (message) => {
    expect(isDatabaseFault(new Error(message))).toBe(true);
  });

  it.each([
    "D1_ERROR: database or disk is full: SQLITE_FULL",
    "D1_ERROR: Exceeded maximum DB size",
    "D1_ERROR: database-full: it takes no new emails: SQLITE_CONSTRAINT (extended: ..._TRIGGER)",
  ])("is a class of its own if there is no room, and no fault: %s", (message) => {
    expect(isDatabaseFull(new Error(message))).toBe(true);
    expect(isDatabaseFault(Object.assign(new Error(message), { retryable: true }))).toBe(false);
    expect(isDatabaseFull(new Error("D1_ERROR: database is locked: SQLITE_BUSY"))).toBe(false);
  });

  it.each([{ retryable: true }, { overloaded: true }])(
    "counts as a fault of the database if the runtime marks it so: %j",
    (flags) => {
      expect(isDatabaseFault(Object.assign(new Error("something"), flags))).toBe(true);
    },
  );

  it("counts as a fault of the database if it is a timeout", () => {
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
  ])("counts as the mistake of the caller: %s", (message) => {
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
