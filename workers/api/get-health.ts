import { json, type Handler } from "./call.ts";
import { inspectHealth } from "./health.ts";

/** 200 `ok` or `degraded`; 503 `down`. */
export const getHealth: Handler<"getHealth"> = async ({ env, now }) => {
  const health = await inspectHealth(env, now);
  return health.status === "down"
    ? json(health, { status: 503, headers: { "Retry-After": "5" } })
    : json(health);
};
