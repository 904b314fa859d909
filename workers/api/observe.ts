import { httpStatusOf } from "../../shared/http/problem.ts";
import { counters } from "../../shared/telemetry/counters.ts";
import { reportSoon } from "../../shared/telemetry/isolate.ts";
import { requestMethods, statusClasses } from "../../shared/telemetry/rules/metrics.ts";
import type { ApiEnv } from "../env.ts";

type Answered = { request: Request; env: ApiEnv; operation: string | null; startedAt: number };

const statusClassOf = (status: number): (typeof statusClasses)[number] =>
  status === httpStatusOf.aborted
    ? "aborted"
    : (statusClasses.find((known) => known.startsWith(String(status).slice(0, 1))) ?? "5xx");

/**
 * Counts an answered request. Requests without a route share one series: callers must not be able
 * to add series.
 */
export function observeRequest(
  { request, env, operation, startedAt }: Answered,
  status: number,
): void {
  const labels = { operation: operation ?? "none" };
  const method = requestMethods.find((known) => known === request.method) ?? "other";
  counters.count("luna_http_requests_total", {
    ...labels,
    method,
    status: statusClassOf(status),
  });
  counters.observe("luna_http_request_duration_seconds", labels, Date.now() - startedAt);
  reportSoon(env);
}
