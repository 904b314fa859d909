import * as alerts from "./alerts.ts";
import * as apiKeys from "./api-keys.ts";
import * as attachments from "./attachments.ts";
import * as cache from "./cache.ts";
import * as circuitBreakers from "./circuit-breakers.ts";
import * as deadLetters from "./dead-letters.ts";
import * as emailCounts from "./email-counts.ts";
import * as emailTransports from "./email-transports.ts";
import * as emails from "./emails.ts";
import * as heartbeats from "./heartbeats.ts";
import * as invitations from "./invitations.ts";
import * as jobs from "./jobs.ts";
import type { Operation } from "./operation.ts";
import * as ownSenders from "./own-senders.ts";
import * as ownTemplates from "./own-templates.ts";
import * as pauses from "./pauses.ts";
import * as scheduledTasks from "./scheduled-tasks.ts";
import * as senders from "./senders.ts";
import * as suppressions from "./suppressions.ts";
import * as system from "./system.ts";
import * as teams from "./teams.ts";
import * as telemetry from "./telemetry.ts";
import * as templates from "./templates.ts";
import * as usage from "./usage.ts";
import * as userAdministration from "./user-administration.ts";
import * as users from "./users.ts";
import * as webhookEndpoints from "./webhook-endpoints.ts";

/** Modules of which each export is an operation, under its id. */
export const modules = [
  users,
  usage,
  userAdministration,
  apiKeys,
  teams,
  invitations,
  emails,
  alerts,
  attachments,
  emailCounts,
  emailTransports,
  cache,
  circuitBreakers,
  deadLetters,
  jobs,
  heartbeats,
  pauses,
  scheduledTasks,
  suppressions,
  ownSenders,
  senders,
  templates,
  ownTemplates,
  system,
  telemetry,
  webhookEndpoints,
];

/** Every operation by its id. */
export type Operations = typeof users &
  typeof usage &
  typeof userAdministration &
  typeof apiKeys &
  typeof teams &
  typeof invitations &
  typeof emails &
  typeof alerts &
  typeof attachments &
  typeof emailCounts &
  typeof emailTransports &
  typeof cache &
  typeof circuitBreakers &
  typeof deadLetters &
  typeof jobs &
  typeof heartbeats &
  typeof pauses &
  typeof scheduledTasks &
  typeof suppressions &
  typeof ownSenders &
  typeof senders &
  typeof templates &
  typeof ownTemplates &
  typeof system &
  typeof telemetry &
  typeof webhookEndpoints;

export type OperationId = keyof Operations;

const place = ({ path, method }: Operation): string => `${path} ${method}`;

/** Every operation of the HTTP API, ordered by path. */
export const operations: readonly Operation[] = modules
  .flatMap((module): Operation[] => Object.values(module))
  .toSorted((one, other) => (place(one) < place(other) ? -1 : 1));
