import { expect, it } from "vitest";
import { httpStatusOf, problemOf } from "../../../shared/http/problem.ts";
import { resendProblem } from "./problems.ts";

const of = (tag: string, status: number) =>
  resendProblem({ type: `urn:luna:problem:${tag}`, status, detail: "why" }, true);

it("each failure of Luna has one of Resend's names, with a status of the same class", () => {
  for (const [tag, status] of Object.entries(httpStatusOf)) {
    const problem = of(tag, status);
    expect(problem.name, tag).toMatch(/^[a-z_]+$/);
    expect(Math.floor(problem.statusCode / 100), tag).toBe(Math.floor(status / 100));
    expect(problem.message, tag).not.toBe("");
  }
});

it("a limit is no error of the server, and a part that is down is none of the caller", () => {
  expect(of("rate-limited", 429).name).toBe("rate_limit_exceeded");
  expect(of("daily-limit", 429).name).toBe("daily_quota_exceeded");
  expect(of("unavailable", 503).name).toBe("application_error");
  expect(of("internal", 500).name).toBe("internal_server_error");
});

it("fields have Resend's names", () => {
  const errors = [
    { path: "attachments.0.contentType", message: "must be a media type" },
    { path: "replyTo", message: "is wrong" },
    { path: "sendAt", message: "is wrong" },
  ];
  const problem = resendProblem(problemOf({ tag: "invalid", errors }), true);
  expect(problem).toMatchObject({ statusCode: 422, name: "validation_error" });
  expect(problem.message).toBe(
    "The `attachments.0.content_type` field must be a media type. " +
      "The `reply_to` field is wrong. The `scheduled_at` field is wrong.",
  );
});

it("a request without a key differs from one with a wrong key", () => {
  const problem = problemOf({ tag: "unauthenticated" });
  expect(resendProblem(problem, false)).toMatchObject({ statusCode: 401, name: "missing_api_key" });
  expect(resendProblem(problem, true)).toMatchObject({ statusCode: 403, name: "invalid_api_key" });
});
