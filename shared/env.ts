import type { CacheTagIndex } from "./cache-tags/object.ts";
import type { CircuitBreaker } from "./circuit-breaker/object.ts";
import type { QueueMessage } from "./email/messages.ts";
import type { Telemetry } from "./telemetry/object.ts";
import type { TaskWatchdog } from "./schedule/watchdog/object.ts";
import type { ScheduledTasksRpc } from "./schedule/rpc.ts";

/**
 * The bindings of the three Workers, written by hand to mirror `wrangler.{api,consumer,cron}.toml`; `test/stack/env.test.ts`
 * asserts that they agree. (Generated types of three Workers collide on one global name.)
 */

/** Variables and secrets. All are text that nobody has checked: `config.ts` and the settings of mails and alerts validate them on first use. */
export interface Variables {
  ADMIN_TOKEN?: string;
  ADMIN_TOKEN_PREVIOUS?: string;
  READONLY_TOKEN?: string;
  ACCESS_TEAM_DOMAIN?: string;
  ACCESS_AUDIENCE?: string;
  CORS_ORIGINS?: string;
  OBJECT_LOCATION_HINT?: string;
  EMAIL_FROM?: string;
  EMAIL_MAX_RETRIES?: string;
  EMAIL_BASE_DELAY_SECONDS?: string;
  EMAIL_MAX_DELAY_SECONDS?: string;
  DLQ_RETENTION_DAYS?: string;
  BREAKER_FAILURES?: string;
  BREAKER_FAILURE_RATIO?: string;
  BREAKER_WINDOW_SECONDS?: string;
  BREAKER_OPEN_SECONDS?: string;
  CACHE_TTL_SECONDS?: string;
  CACHE_STALENESS_MS?: string;
  CACHE_MAX_RETRIES?: string;
  CACHE_TIMEOUT_MS?: string;
  PUBLIC_URL?: string;
  UNSUBSCRIBE_SECRET?: string;
  EMAIL_TRANSPORTS?: string;
  SMTP_RATE_PER_SECOND?: string;
  CLOUDFLARE_RATE_PER_SECOND?: string;
  RESEND_RATE_PER_SECOND?: string;
  RESEND_API_KEY?: string;
  RESEND_BASE_URL?: string;
  WEBHOOK_SECRET_RESEND?: string;
  ALERT_FAILURES?: string;
  ALERT_EMAIL?: string;
  ALERT_WEBHOOK_URL?: string;
  SMTP_HOST?: string;
  SMTP_PORT?: string;
  SMTP_SECURITY?: string;
  SMTP_USERNAME?: string;
  SMTP_PASSWORD?: string;
}

export interface ApiEnv extends Variables {
  DB: D1Database;
  CACHE: KVNamespace;
  EMAIL_QUEUE: Queue<QueueMessage>;
  CIRCUIT_BREAKER: DurableObjectNamespace<CircuitBreaker>;
  CACHE_TAG_INDEX: DurableObjectNamespace<CacheTagIndex>;
  TELEMETRY: DurableObjectNamespace<Telemetry>;
  TASK_WATCHDOG: DurableObjectNamespace<TaskWatchdog>;
  CRON: Fetcher & ScheduledTasksRpc;
  RATE_LIMIT_KEY: RateLimit;
  RATE_LIMIT_IP: RateLimit;
  ANALYTICS?: AnalyticsEngineDataset;
}

export interface ConsumerEnv extends Variables {
  DB: D1Database;
  EMAIL_QUEUE: Queue<QueueMessage>;
  EMAIL_DLQ: Queue<QueueMessage>;
  EMAIL?: SendEmail;
  CIRCUIT_BREAKER: DurableObjectNamespace<CircuitBreaker>;
  TELEMETRY: DurableObjectNamespace<Telemetry>;
  ANALYTICS?: AnalyticsEngineDataset;
}

export interface CronEnv extends Variables {
  DB: D1Database;
  CACHE: KVNamespace;
  EMAIL_QUEUE: Queue<QueueMessage>;
  EMAIL_DLQ: Queue<QueueMessage>;
  CIRCUIT_BREAKER: DurableObjectNamespace<CircuitBreaker>;
  CACHE_TAG_INDEX: DurableObjectNamespace<CacheTagIndex>;
  TELEMETRY: DurableObjectNamespace<Telemetry>;
  TASK_WATCHDOG: DurableObjectNamespace<TaskWatchdog>;
  ANALYTICS?: AnalyticsEngineDataset;
}
