import { operations } from "../../shared/contract/operations.ts";
import type { KnownSeries } from "../../shared/telemetry/rules/exposition.ts";

/**
 * Each operation occurs with one method. An alert needs its errors from zero on: an `increase` does
 * not see the first count of a series that begins with it.
 */
export const knownSeries: KnownSeries = {
  luna_http_requests_total: operations.flatMap(({ id: operation, method }) =>
    (["2xx", "4xx", "5xx"] as const).map((status) => ({ operation, method, status })),
  ),
};
