import { within } from "../../shared/lib/base/deadline.ts";
import { fail } from "../../shared/lib/base/result.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import { getStub } from "../../shared/lib/worker/placement.ts";
import { listFields } from "../../shared/lib/worker/validate.ts";
import { chartsFrom, reportedSteps, startOf } from "../../shared/telemetry/rules/history.ts";
import { TELEMETRY_NAME } from "../../shared/telemetry/rules/rpc.ts";
import { json, type Handler } from "./call.ts";

const OBJECT_TIMEOUT_MS = 2_000;
const DEFAULT_MINUTES = 60;

export const getTelemetry: Handler<"getTelemetry"> = async ({ env, query, now }) => {
  const { hours, minutes = DEFAULT_MINUTES } = query;
  const [stepMs, length] =
    hours === undefined ? ([60_000, minutes] as const) : ([3_600_000, hours] as const);
  const from = startOf(now, stepMs) - (length - 1) * stepMs;
  try {
    const points = await within(
      OBJECT_TIMEOUT_MS,
      getStub(env.TELEMETRY, TELEMETRY_NAME, env).points({ stepMs, from }),
    );
    if (!points.ok) throw new TypeError(listFields(points.error.errors));
    return json({
      from: new Date(from).toISOString(),
      stepSeconds: stepMs / 1_000,
      reported: reportedSteps(points.value, from, stepMs, length),
      series: chartsFrom(points.value, from, stepMs, length),
    });
  } catch (error) {
    log("error", "telemetry.unreachable", describeError(error));
    return fail({ tag: "unavailable", dependency: "telemetry" });
  }
};
