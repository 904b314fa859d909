import { env } from "cloudflare:workers";
import { beforeAll } from "vitest";
import { WATCHDOG_NAME } from "../../shared/schedule/watchdog/rules/rpc.ts";

/** Registers a task, because luna-cron does not run beside the Worker under test. */
export async function registerTask(): Promise<void> {
  await env.TASK_WATCHDOG.getByName(WATCHDOG_NAME).report([
    { task: "sweep-outbox", dueBy: Date.UTC(2100) },
  ]);
}

beforeAll(registerTask);
