import { relatedReads } from "../../shared/cache/keys.ts";
import { resolveEmail } from "./admin.ts";
import { alerts } from "./alerts.ts";
import { deadLetters, inspectDeadLetter, processDeadLetters, removeDeadLetter } from "./dead-letters.ts";
import type { Access } from "./auth.ts";
import { inspectTag, invalidate } from "./cache.ts";
import { cacheMetrics } from "./cache-metrics.ts";
import type { Handler } from "./call.ts";
import {
  circuitBreakerHistory,
  closeCircuitBreaker,
  disableCircuitBreaker,
  enableCircuitBreaker,
  listCircuitBreakers,
  openCircuitBreaker,
  resetCacheBreaker,
  resetCircuitBreaker,
} from "./circuit-breakers.ts";
import { cancel, getEmail, getEmails, sendEmail, sendEmails } from "./emails.ts";
import { health } from "./health.ts";
import { listScheduledTasks, retryRun, runTask, scheduledTaskHistory, tick } from "./scheduled-tasks.ts";
import { listTemplates, previewTemplate } from "./templates.ts";
import { suppress, suppressions, unsuppress } from "./suppressions.ts";
import { askToUnsubscribe, unsubscribe } from "./unsubscribe.ts";
import { webhook } from "./webhooks.ts";
import { createUser, getMe, getRelated, getUser, getUserByEmail, patchUser, removeUser, rotateApiKey } from "./users.ts";

export type Route = { method: "GET" | "POST" | "PATCH" | "DELETE"; path: string; access: Access; handler: Handler };

export const routes: readonly Route[] = [
  { method: "GET", path: "/health", access: "anyone", handler: health },

  { method: "GET", path: "/unsubscribe/:token", access: "anyone", handler: askToUnsubscribe },
  { method: "POST", path: "/unsubscribe/:token", access: "anyone", handler: unsubscribe },

  { method: "POST", path: "/api/webhooks/:provider", access: "anyone", handler: webhook },

  { method: "POST", path: "/api/users", access: "admin", handler: createUser },
  { method: "GET", path: "/api/users", access: "caller", handler: getUserByEmail },
  { method: "GET", path: "/api/users/:userId", access: "self", handler: getUser },
  { method: "PATCH", path: "/api/users/:userId", access: "self", handler: patchUser },
  { method: "DELETE", path: "/api/users/:userId", access: "self", handler: removeUser },
  { method: "POST", path: "/api/users/:userId/api-key", access: "self", handler: rotateApiKey },
  ...relatedReads.map((what): Route => ({ method: "GET", path: `/api/users/:userId/${what}`, access: "self", handler: getRelated(what) })),
  { method: "GET", path: "/api/me", access: "caller", handler: getMe },

  { method: "POST", path: "/api/emails", access: "mailer", handler: sendEmail },
  { method: "POST", path: "/api/emails/batch", access: "mailer", handler: sendEmails },
  { method: "GET", path: "/api/emails", access: "caller", handler: getEmails },
  { method: "GET", path: "/api/emails/:id", access: "caller", handler: getEmail },
  { method: "POST", path: "/api/emails/:id/cancel", access: "caller", handler: cancel },

  { method: "GET", path: "/api/admin/circuit-breakers", access: "admin", handler: listCircuitBreakers },
  { method: "GET", path: "/api/admin/circuit-breakers/:name/history", access: "admin", handler: circuitBreakerHistory },
  { method: "POST", path: "/api/admin/circuit-breakers/:name/reset", access: "admin", handler: resetCircuitBreaker },
  { method: "POST", path: "/api/admin/circuit-breakers/:name/open", access: "admin", handler: openCircuitBreaker },
  { method: "POST", path: "/api/admin/circuit-breakers/:name/close", access: "admin", handler: closeCircuitBreaker },
  { method: "POST", path: "/api/admin/circuit-breakers/:name/disable", access: "admin", handler: disableCircuitBreaker },
  { method: "POST", path: "/api/admin/circuit-breakers/:name/enable", access: "admin", handler: enableCircuitBreaker },

  { method: "GET", path: "/api/cache/metrics", access: "admin", handler: cacheMetrics },
  { method: "POST", path: "/api/admin/cache/invalidate", access: "admin", handler: invalidate },
  { method: "GET", path: "/api/admin/cache/tags/:tag", access: "admin", handler: inspectTag },
  { method: "POST", path: "/api/admin/cache/reset-circuit-breaker", access: "admin", handler: resetCacheBreaker },

  { method: "GET", path: "/api/admin/email/dlq", access: "admin", handler: deadLetters },
  { method: "GET", path: "/api/admin/email/dlq/:id", access: "admin", handler: inspectDeadLetter },
  { method: "DELETE", path: "/api/admin/email/dlq/:id", access: "admin", handler: removeDeadLetter },
  { method: "POST", path: "/api/admin/email/process-dlq", access: "admin", handler: processDeadLetters },
  { method: "GET", path: "/api/admin/email/templates", access: "admin", handler: listTemplates },
  { method: "GET", path: "/api/admin/email/templates/:name/preview", access: "admin", handler: previewTemplate },
  { method: "GET", path: "/api/admin/email/suppressions", access: "admin", handler: suppressions },
  { method: "POST", path: "/api/admin/email/suppressions", access: "admin", handler: suppress },
  { method: "DELETE", path: "/api/admin/email/suppressions/:address", access: "admin", handler: unsuppress },
  { method: "POST", path: "/api/admin/email/:id/resolve", access: "admin", handler: resolveEmail },

  { method: "GET", path: "/api/admin/alerts", access: "admin", handler: alerts },
  { method: "GET", path: "/api/admin/scheduled-tasks", access: "admin", handler: listScheduledTasks },
  { method: "GET", path: "/api/admin/scheduled-tasks/history", access: "admin", handler: scheduledTaskHistory },
  { method: "POST", path: "/api/admin/scheduled-tasks/history/:runId/retry", access: "admin", handler: retryRun },
  { method: "POST", path: "/api/admin/scheduled-tasks/tick", access: "admin", handler: tick },
  { method: "POST", path: "/api/admin/scheduled-tasks/:name/run", access: "admin", handler: runTask },
];
