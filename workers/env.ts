import type { AccountVariables } from "../shared/accounts/settings.ts";
import type { AlertVariables } from "../shared/alerts/settings.ts";
import type { DatabaseVariables } from "../shared/database/settings.ts";
import type { QueueMessage } from "../shared/email/queue-messages.ts";
import type { EmailVariables } from "../shared/email/settings.ts";
import type { Heartbeat } from "../shared/heartbeats/object.ts";
import type { CacheTagIndex } from "../shared/lib/cache/index.ts";
import type { CacheVariables } from "../shared/lib/cache/rules/index.ts";
import type { CircuitBreaker } from "../shared/lib/circuit-breaker/index.ts";
import type { BreakerVariables } from "../shared/lib/circuit-breaker/rules/index.ts";
import type { PlacementEnv } from "../shared/lib/worker/placement.ts";
import type { JobMessage } from "../shared/schedule/jobs/queue-messages.ts";
import type { JobVariables } from "../shared/schedule/jobs/settings.ts";
import type { ScheduledTasksRpc } from "../shared/schedule/rpc.ts";
import type { TaskWatchdog } from "../shared/schedule/watchdog/object.ts";
import type { Telemetry } from "../shared/telemetry/object.ts";
import type { WebhookMessage } from "../shared/webhooks/queue-messages.ts";
import type { WebhookVariables } from "../shared/webhooks/settings.ts";
import type { AuthVariables, CorsVariables } from "./api/settings.ts";
import type { RetentionVariables } from "./cron/settings.ts";

/**
 * The bindings of the three Workers, written by hand to mirror `wrangler.{api,consumer,cron}.toml`;
 * `test/stack/env.test.ts` asserts that they agree. (Generated types of three Workers collide on
 * one global name.)
 */

/**
 * Variables and secrets: text that nothing has checked. Each part validates its own on first use.
 */
export type Variables = AccountVariables &
  AlertVariables &
  AuthVariables &
  BreakerVariables &
  CacheVariables &
  CorsVariables &
  DatabaseVariables &
  EmailVariables &
  JobVariables &
  PlacementEnv &
  RetentionVariables &
  WebhookVariables;

export interface ApiEnv extends Variables {
  DB: D1Database;
  CACHE: KVNamespace;
  EMAIL_QUEUE: Queue<QueueMessage>;
  WEBHOOK_QUEUE: Queue<WebhookMessage>;
  JOB_QUEUE: Queue<JobMessage>;
  CIRCUIT_BREAKER: DurableObjectNamespace<CircuitBreaker>;
  CACHE_TAG_INDEX: DurableObjectNamespace<CacheTagIndex>;
  TELEMETRY: DurableObjectNamespace<Telemetry>;
  TASK_WATCHDOG: DurableObjectNamespace<TaskWatchdog>;
  HEARTBEAT: DurableObjectNamespace<Heartbeat>;
  CRON: Fetcher & ScheduledTasksRpc;
  RATE_LIMIT_KEY: RateLimit;
  RATE_LIMIT_IP: RateLimit;
  ATTACHMENTS?: R2Bucket;
  ANALYTICS?: AnalyticsEngineDataset;
}

export interface ConsumerEnv extends Variables {
  DB: D1Database;
  EMAIL_QUEUE: Queue<QueueMessage>;
  EMAIL_DLQ: Queue<QueueMessage>;
  WEBHOOK_QUEUE: Queue<WebhookMessage>;
  JOB_QUEUE: Queue<JobMessage>;
  WEBHOOK_SLOW_QUEUE: Queue<WebhookMessage>;
  EMAIL?: SendEmail;
  ATTACHMENTS?: R2Bucket;
  CIRCUIT_BREAKER: DurableObjectNamespace<CircuitBreaker>;
  TELEMETRY: DurableObjectNamespace<Telemetry>;
  ANALYTICS?: AnalyticsEngineDataset;
}

export interface CronEnv extends Variables {
  DB: D1Database;
  CACHE: KVNamespace;
  EMAIL_QUEUE: Queue<QueueMessage>;
  EMAIL_DLQ: Queue<QueueMessage>;
  WEBHOOK_QUEUE: Queue<WebhookMessage>;
  JOB_QUEUE: Queue<JobMessage>;
  WEBHOOK_SLOW_QUEUE: Queue<WebhookMessage>;
  CIRCUIT_BREAKER: DurableObjectNamespace<CircuitBreaker>;
  CACHE_TAG_INDEX: DurableObjectNamespace<CacheTagIndex>;
  TELEMETRY: DurableObjectNamespace<Telemetry>;
  TASK_WATCHDOG: DurableObjectNamespace<TaskWatchdog>;
  HEARTBEAT: DurableObjectNamespace<Heartbeat>;
  ANALYTICS?: AnalyticsEngineDataset;
  ATTACHMENTS?: R2Bucket;
  /** For `EXPORT_BEFORE_DELETION`. */
  EXPORTS?: R2Bucket;
}
