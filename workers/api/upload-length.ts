import type { Failure } from "../../shared/http/failure.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";

/** How long the body of an upload is, by its Content-Length. */
export function lengthOf(request: Request, limitBytes: number): Result<number, Failure> {
  const length = request.headers.get("Content-Length");
  if (length === null || !/^\d{1,15}$/.test(length)) return fail({ tag: "length-required" });
  return Number(length) > limitBytes
    ? fail({ tag: "body-too-large", limitBytes })
    : ok(Number(length));
}
