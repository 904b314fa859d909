import { WorkerEntrypoint } from "cloudflare:workers";
import type { EmailsRpc } from "../../shared/email/rpc.ts";
import { setWorkerName } from "../../shared/telemetry/isolate.ts";
import type { ApiEnv } from "../env.ts";
import { dispatch } from "./dispatch.ts";
import { sendByRpc } from "./emails-rpc.ts";
import { answerResend, isResendPath } from "./resend/answer.ts";
export { Heartbeat } from "../../shared/heartbeats/object.ts";
export { CacheTagIndex } from "../../shared/lib/cache/index.ts";
export { TaskWatchdog } from "../../shared/schedule/watchdog/object.ts";
export { Telemetry } from "../../shared/telemetry/object.ts";
export { AnnouncedBreaker as CircuitBreaker } from "./announced-breaker.ts";
export { Luna } from "./luna-rpc.ts";

setWorkerName("api");

export class Emails extends WorkerEntrypoint<ApiEnv> implements EmailsRpc {
  async send(
    message: unknown,
    options: { idempotencyKey?: string } = {},
  ): ReturnType<EmailsRpc["send"]> {
    return await sendByRpc(this.env, message, options);
  }
}

export default {
  fetch: (request, env) =>
    isResendPath(new URL(request.url)) ? answerResend(request, env) : dispatch(request, env),
} satisfies ExportedHandler<ApiEnv>;
