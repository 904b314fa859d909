import { WorkerEntrypoint } from "cloudflare:workers";
import type { ApiEnv } from "../../shared/env.ts";
import type { EmailsRpc } from "../../shared/email/rpc.ts";
import { setWorkerName } from "../../shared/telemetry/isolate.ts";
import { dispatch } from "./dispatch.ts";
import { sendByRpc } from "./emails-rpc.ts";

export { CacheTagIndex } from "../../shared/cache-tags/object.ts";
export { CircuitBreaker } from "../../shared/circuit-breaker/object.ts";
export { TaskWatchdog } from "../../shared/schedule/watchdog/object.ts";
export { Telemetry } from "../../shared/telemetry/object.ts";

setWorkerName("api");

export { Luna } from "./luna-rpc.ts";

export class Emails extends WorkerEntrypoint<ApiEnv> implements EmailsRpc {
  async send(message: unknown, options: { idempotencyKey?: string } = {}): ReturnType<EmailsRpc["send"]> {
    return await sendByRpc(this.env, message, options);
  }
}

export default {
  fetch: dispatch,
} satisfies ExportedHandler<ApiEnv>;
