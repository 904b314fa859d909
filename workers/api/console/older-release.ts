import { keyScopes } from "../../../shared/accounts/rules/key-scopes.ts";
import type { AnswerBody, CalledOperation } from "./api.ts";

/**
 * While a deployment goes on, this console may be answered by the release before, which lacks some
 * fields. Each gets the value that claims the least. Pure.
 */

type Filled = { [Id in CalledOperation]?: (body: AnswerBody<Id>) => AnswerBody<Id> };

const filled: Filled = {
  getHealth: (body) => {
    const settings = { status: "ok" as const, invalid: [] };
    return body.status === "down"
      ? { ...body, checks: withDefaults(body.checks, { settings }) }
      : { ...body, checks: withDefaults(body.checks, { settings }) };
  },
  // It knew no scopes: its admin might do everything.
  getOperator: (body) =>
    withDefaults(body, { scopes: body.role === "admin" ? [...keyScopes] : [] }),
  listAlerts: (body) => withDefaults(body, { channels: ["email", "webhook"] }),
  listCircuitBreakers: ({ items, ...more }) => ({
    ...more,
    items: items.map((item) => withDefaults(item, { used: true })),
  }),
  getEmail: (body) => withDefaults(body, { from: "–", recipients: [] }),
  getTelemetry: (body) => {
    const { series } = body;
    const none = series.requests.map(() => null);
    return withDefaults(
      {
        ...body,
        series: withDefaults(series, {
          requestLatencyP50Range: none,
          requestLatencyP99Range: none,
        }),
      },
      { reported: series.requests.map(() => true) },
    );
  },
};

function withDefaults<Given extends object>(given: Given, defaults: Partial<Given>): Given {
  return { ...defaults, ...given };
}

export function filledUp<Id extends CalledOperation>(id: Id, body: AnswerBody<Id>): AnswerBody<Id> {
  const fill = filled[id];
  return fill === undefined ? body : fill(body);
}
