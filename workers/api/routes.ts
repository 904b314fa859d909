import { inspectTag, cacheMetrics, invalidate } from "../../shared/contract/cache.ts";
import * as breakers from "../../shared/contract/circuit-breakers.ts";
import * as letters from "../../shared/contract/dead-letters.ts";
import * as emails from "../../shared/contract/emails.ts";
import type { Operation } from "../../shared/contract/operation.ts";
import * as tasks from "../../shared/contract/scheduled-tasks.ts";
import {
  getDocs,
  getHealth,
  getOpenApi,
  getOperator,
  listAlerts,
  listAudit,
} from "../../shared/contract/system.ts";
import * as teams from "../../shared/contract/teams.ts";
import { getTelemetry, scrapeMetrics as metricsContract } from "../../shared/contract/telemetry.ts";
import * as users from "../../shared/contract/users.ts";
import { alerts } from "./alerts.ts";
import { auditLog } from "./audit.ts";
import { cacheMetrics as answerCacheMetrics } from "./cache-metrics.ts";
import * as cacheHandlers from "./cache.ts";
import type { Handler } from "./call.ts";
import * as breakerHandlers from "./circuit-breakers.ts";
import * as letterHandlers from "./dead-letters.ts";
import * as emailHandlers from "./emails.ts";
import { health } from "./health.ts";
import { scrapeMetrics } from "./metrics.ts";
import { docs, openApi } from "./openapi.ts";
import { getOperator as answerOperator } from "./operator.ts";
import { resolveEmail } from "./resolve-email.ts";
import * as taskHandlers from "./scheduled-tasks.ts";
import { suppress, suppressions, unsuppress } from "./suppressions.ts";
import * as teamHandlers from "./teams.ts";
import { getTelemetry as answerTelemetry } from "./telemetry.ts";
import { listTemplates, previewTemplate } from "./templates.ts";
import { askToUnsubscribe, unsubscribe } from "./unsubscribe.ts";
import * as usageHandlers from "./usage.ts";
import * as userHandlers from "./users.ts";
import { webhook } from "./webhooks.ts";

export type Route = Operation & { handler: Handler };

const route = (operation: Operation, handler: Handler): Route => ({ ...operation, handler });

/** Every route: what it is stands in the contract, what it does in the handler. */
export const routes: readonly Route[] = [
  route(getHealth, health),
  route(getOpenApi, openApi),
  route(getDocs, docs),
  route(metricsContract, scrapeMetrics),

  route(emails.askToUnsubscribe, askToUnsubscribe),
  route(emails.unsubscribe, unsubscribe),
  route(emails.takeWebhook, webhook),

  route(users.createUser, userHandlers.createUser),
  route(users.findUser, userHandlers.getUserByEmail),
  route(users.getUser, userHandlers.getUser),
  route(users.updateUser, userHandlers.patchUser),
  route(users.deleteUser, userHandlers.removeUser),
  route(users.rotateApiKey, userHandlers.rotateApiKey),
  route(users.revokeApiKey, userHandlers.revokeApiKey),
  route(users.getPermissions, userHandlers.getRelated("permissions")),
  route(users.getSubscription, userHandlers.getRelated("subscription")),
  route(users.getUsage, userHandlers.getRelated("usage")),
  route(users.getTeams, userHandlers.getRelated("teams")),
  route(users.getWorkspaces, userHandlers.getRelated("workspaces")),
  route(users.addUsage, usageHandlers.addUsage),
  route(users.usageHistory, usageHandlers.usageHistory),
  route(users.exportUser, userHandlers.exportUser),
  route(users.getMe, userHandlers.getMe),

  route(teams.createTeam, teamHandlers.createTeam),
  route(teams.getTeam, teamHandlers.getTeam),
  route(teams.addMember, teamHandlers.addMember),
  route(teams.removeMember, teamHandlers.removeMember),
  route(teams.createWorkspace, teamHandlers.createWorkspace),

  route(emails.sendEmail, emailHandlers.sendEmail),
  route(emails.sendEmails, emailHandlers.sendEmails),
  route(emails.listEmails, emailHandlers.getEmails),
  route(emails.getEmail, emailHandlers.getEmail),
  route(emails.cancelEmail, emailHandlers.cancel),

  route(users.listUsers, userHandlers.getUsers),
  route(breakers.listCircuitBreakers, breakerHandlers.listCircuitBreakers),
  route(breakers.circuitBreakerHistory, breakerHandlers.circuitBreakerHistory),
  route(breakers.resetCircuitBreaker, breakerHandlers.resetCircuitBreaker),
  route(breakers.openCircuitBreaker, breakerHandlers.openCircuitBreaker),
  route(breakers.closeCircuitBreaker, breakerHandlers.closeCircuitBreaker),
  route(breakers.disableCircuitBreaker, breakerHandlers.disableCircuitBreaker),
  route(breakers.enableCircuitBreaker, breakerHandlers.enableCircuitBreaker),

  route(cacheMetrics, answerCacheMetrics),
  route(invalidate, cacheHandlers.invalidate),
  route(inspectTag, cacheHandlers.inspectTag),
  route(breakers.resetCacheBreaker, breakerHandlers.resetCacheBreaker),

  route(letters.listDeadLetters, letterHandlers.deadLetters),
  route(letters.getDeadLetter, letterHandlers.inspectDeadLetter),
  route(letters.discardDeadLetter, letterHandlers.removeDeadLetter),
  route(letters.processDeadLetters, letterHandlers.processDeadLetters),
  route(emails.listTemplates, listTemplates),
  route(emails.previewTemplate, previewTemplate),
  route(emails.listSuppressions, suppressions),
  route(emails.suppress, suppress),
  route(emails.unsuppress, unsuppress),
  route(emails.resolveEmail, resolveEmail),

  route(getTelemetry, answerTelemetry),
  route(getOperator, answerOperator),
  route(listAlerts, alerts),
  route(listAudit, auditLog),
  route(tasks.listScheduledTasks, taskHandlers.listScheduledTasks),
  route(tasks.scheduledTaskHistory, taskHandlers.scheduledTaskHistory),
  route(tasks.retryRun, taskHandlers.retryRun),
  route(tasks.tick, taskHandlers.tick),
  route(tasks.runTask, taskHandlers.runTask),
];
