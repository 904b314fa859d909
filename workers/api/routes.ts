import type { Operation } from "../../shared/contract/operation.ts";
import { operations, type OperationId } from "../../shared/contract/operations.ts";
import * as alerts from "./alerts.ts";
import * as apiKeys from "./api-keys.ts";
import * as attachments from "./attachments.ts";
import * as auditLog from "./audit-log.ts";
import * as cacheMetrics from "./cache-metrics.ts";
import * as cache from "./cache.ts";
import type { AnyHandler, Handlers } from "./call.ts";
import * as circuitBreakers from "./circuit-breakers.ts";
import * as confirmAddress from "./confirm-address.ts";
import * as deadLetters from "./dead-letters.ts";
import * as emailCounts from "./email-counts.ts";
import * as emailTransports from "./email-transports.ts";
import * as emails from "./emails.ts";
import * as firstKey from "./first-key.ts";
import * as health from "./get-health.ts";
import * as heartbeats from "./heartbeats.ts";
import * as invitationPage from "./invitation-page.ts";
import * as invitations from "./invitations.ts";
import * as jobRuns from "./job-runs.ts";
import * as jobs from "./jobs.ts";
import * as metrics from "./metrics.ts";
import * as openApi from "./openapi.ts";
import * as operator from "./operator.ts";
import * as ownSenders from "./own-senders.ts";
import * as ownTemplates from "./own-templates.ts";
import * as pauses from "./pauses.ts";
import * as pings from "./pings.ts";
import * as resolveEmail from "./resolve-email.ts";
import * as retryEmail from "./retry-email.ts";
import * as scheduledTasks from "./scheduled-tasks.ts";
import * as senders from "./senders.ts";
import * as start from "./start.ts";
import * as suppressionFiles from "./suppression-files.ts";
import * as suppressions from "./suppressions.ts";
import * as suspensions from "./suspensions.ts";
import * as teams from "./teams.ts";
import * as telemetry from "./telemetry.ts";
import * as templates from "./templates.ts";
import * as unsubscribe from "./unsubscribe.ts";
import * as updateUser from "./update-user.ts";
import * as usage from "./usage.ts";
import * as users from "./users.ts";
import * as verifySender from "./verify-sender.ts";
import * as webhookDeliveries from "./webhook-deliveries.ts";
import * as webhookEndpoints from "./webhook-endpoints.ts";
import * as webhooks from "./webhooks.ts";
import * as workspaces from "./workspaces.ts";

/** These modules export handlers and nothing else, each under the id of its operation. */
export const handlers: Handlers = {
  ...alerts,
  ...apiKeys,
  ...attachments,
  ...auditLog,
  ...cache,
  ...cacheMetrics,
  ...circuitBreakers,
  ...confirmAddress,
  ...deadLetters,
  ...emailCounts,
  ...emails,
  ...emailTransports,
  ...firstKey,
  ...health,
  ...jobRuns,
  ...jobs,
  ...heartbeats,
  ...invitationPage,
  ...invitations,
  ...metrics,
  ...openApi,
  ...operator,
  ...ownSenders,
  ...ownTemplates,
  ...pauses,
  ...pings,
  ...resolveEmail,
  ...retryEmail,
  ...scheduledTasks,
  ...senders,
  ...start,
  ...suppressionFiles,
  ...suppressions,
  ...suspensions,
  ...teams,
  ...telemetry,
  ...templates,
  ...unsubscribe,
  ...updateUser,
  ...usage,
  ...users,
  ...verifySender,
  ...webhookDeliveries,
  ...webhookEndpoints,
  ...webhooks,
  ...workspaces,
};

export type Route = { operation: Operation; handler: AnyHandler };

/** Every operation of the contract with its handler. */
export const routes: readonly Route[] = operations.map((operation) => ({
  operation,
  handler: handlers[operation.id as OperationId] as AnyHandler,
}));
