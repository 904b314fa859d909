import type { InferOutput } from "valibot";
import type * as alerts from "../../../shared/contract/alerts.ts";
import type * as apiKeys from "../../../shared/contract/api-keys.ts";
import type * as cache from "../../../shared/contract/cache.ts";
import type * as circuitBreakers from "../../../shared/contract/circuit-breakers.ts";
import type { ClientAnswer, ClientRequest } from "../../../shared/contract/client/client.ts";
import { sendRequest, type PlainRequest } from "../../../shared/contract/client/request.ts";
import type * as deadLetters from "../../../shared/contract/dead-letters.ts";
import type * as emailCounts from "../../../shared/contract/email-counts.ts";
import type * as emailTransports from "../../../shared/contract/email-transports.ts";
import type * as emails from "../../../shared/contract/emails.ts";
import type * as heartbeats from "../../../shared/contract/heartbeats.ts";
import type * as jobs from "../../../shared/contract/jobs.ts";
import type * as pauses from "../../../shared/contract/pauses.ts";
import type * as scheduledTasks from "../../../shared/contract/scheduled-tasks.ts";
import type * as senders from "../../../shared/contract/senders.ts";
import type * as suppressions from "../../../shared/contract/suppressions.ts";
import type * as system from "../../../shared/contract/system.ts";
import type * as teams from "../../../shared/contract/teams.ts";
import type * as telemetry from "../../../shared/contract/telemetry.ts";
import type * as templates from "../../../shared/contract/templates.ts";
import type * as userAdministration from "../../../shared/contract/user-administration.ts";
import type * as users from "../../../shared/contract/users.ts";
import type * as webhookEndpoints from "../../../shared/contract/webhook-endpoints.ts";

/**
 * The contract, as types only: its schemas would double the size of the console. The compiler
 * checks each line below against it.
 */
type Contract = typeof alerts &
  typeof apiKeys &
  typeof cache &
  typeof circuitBreakers &
  typeof deadLetters &
  typeof emailCounts &
  typeof emails &
  typeof emailTransports &
  typeof jobs &
  typeof heartbeats &
  typeof pauses &
  typeof scheduledTasks &
  typeof suppressions &
  typeof senders &
  typeof system &
  typeof teams &
  typeof telemetry &
  typeof templates &
  typeof userAdministration &
  typeof users &
  typeof webhookEndpoints;

const routes = {
  getStart: "GET /",
  getHealth: "GET /health",
  getTelemetry: "GET /api/admin/telemetry",
  getOperator: "GET /api/admin/me",
  listAlerts: "GET /api/admin/alerts",
  listAudit: "GET /api/admin/audit",
  listCircuitBreakers: "GET /api/admin/circuit-breakers",
  getCircuitBreaker: "GET /api/admin/circuit-breakers/:name",
  circuitBreakerHistory: "GET /api/admin/circuit-breakers/:name/history",
  resetCircuitBreaker: "POST /api/admin/circuit-breakers/:name/reset",
  closeCircuitBreaker: "POST /api/admin/circuit-breakers/:name/close",
  openCircuitBreaker: "POST /api/admin/circuit-breakers/:name/open",
  disableCircuitBreaker: "POST /api/admin/circuit-breakers/:name/disable",
  enableCircuitBreaker: "POST /api/admin/circuit-breakers/:name/enable",
  cacheMetrics: "GET /api/cache/metrics",
  invalidate: "POST /api/admin/cache/invalidate",
  inspectTag: "GET /api/admin/cache/tags/:tag",
  listEmailCounts: "GET /api/email-counts",
  listEmails: "GET /api/emails",
  getEmail: "GET /api/emails/:id",
  cancelEmail: "POST /api/emails/:id/cancel",
  resolveEmail: "POST /api/admin/email/:id/resolve",
  acknowledgeAlert: "POST /api/admin/alerts/:key/acknowledge",
  unacknowledgeAlert: "DELETE /api/admin/alerts/:key/acknowledge",
  listSilences: "GET /api/admin/alerts/silences",
  silenceAlerts: "POST /api/admin/alerts/silences",
  endSilence: "DELETE /api/admin/alerts/silences/:silenceId",
  listPauses: "GET /api/admin/email/pauses",
  pauseEmails: "POST /api/admin/email/pauses",
  resumeEmails: "DELETE /api/admin/email/pauses/:scope",
  retryEmail: "POST /api/admin/email/:id/retry",
  listDeadLetters: "GET /api/admin/email/dlq",
  listDeadLetterCauses: "GET /api/admin/email/dlq-causes",
  getDeadLetter: "GET /api/admin/email/dlq/:id",
  discardDeadLetter: "DELETE /api/admin/email/dlq/:id",
  processDeadLetters: "POST /api/admin/email/process-dlq",
  listEmailTransports: "GET /api/admin/email/transports",
  resetEmailTransport: "POST /api/admin/email/transports/:transport/reset",
  listSuppressions: "GET /api/admin/email/suppressions",
  importSuppressions: "POST /api/admin/email/suppressions/import",
  exportSuppressions: "GET /api/admin/email/suppressions/export",
  deleteSuppressions: "POST /api/admin/email/suppressions/delete",
  suppress: "POST /api/admin/email/suppressions",
  unsuppress: "DELETE /api/admin/email/suppressions/:address",
  listUsers: "GET /api/admin/users",
  getUser: "GET /api/users/:userId",
  suspendUser: "POST /api/users/:userId/suspend",
  resumeUser: "POST /api/users/:userId/resume",
  rotateApiKey: "POST /api/users/:userId/api-key",
  revokeApiKey: "DELETE /api/users/:userId/api-key",
  getTeams: "GET /api/users/:userId/teams",
  getTeam: "GET /api/teams/:teamId",
  listUserKeys: "GET /api/users/:userId/api-keys",
  createUserKey: "POST /api/users/:userId/api-keys",
  rotateUserKey: "POST /api/users/:userId/api-keys/:keyId/rotate",
  revokeUserKey: "DELETE /api/users/:userId/api-keys/:keyId",
  listTeamKeys: "GET /api/teams/:teamId/api-keys",
  createTeamKey: "POST /api/teams/:teamId/api-keys",
  rotateTeamKey: "POST /api/teams/:teamId/api-keys/:keyId/rotate",
  revokeTeamKey: "DELETE /api/teams/:teamId/api-keys/:keyId",
  listOperatorKeys: "GET /api/admin/api-keys",
  createOperatorKey: "POST /api/admin/api-keys",
  rotateOperatorKey: "POST /api/admin/api-keys/:keyId/rotate",
  revokeOperatorKey: "DELETE /api/admin/api-keys/:keyId",
  listSenders: "GET /api/admin/email/senders",
  createSender: "POST /api/admin/email/senders",
  deleteSender: "DELETE /api/admin/email/senders/:senderId",
  listJobs: "GET /api/admin/jobs",
  getJob: "GET /api/admin/jobs/:name",
  deleteJob: "DELETE /api/admin/jobs/:name",
  pauseJob: "POST /api/admin/jobs/:name/pause",
  resumeJob: "POST /api/admin/jobs/:name/resume",
  runJob: "POST /api/admin/jobs/:name/run",
  listJobRuns: "GET /api/admin/jobs/:name/history",
  nextJobTimes: "GET /api/admin/jobs/:name/next",
  replayJobRun: "POST /api/admin/jobs/:name/history/:runId/replay",
  replayJobRuns: "POST /api/admin/jobs/:name/replay",
  listWebhookEndpoints: "GET /api/webhook-endpoints",
  createWebhookEndpoint: "POST /api/webhook-endpoints",
  getWebhookEndpoint: "GET /api/webhook-endpoints/:endpointId",
  deleteWebhookEndpoint: "DELETE /api/webhook-endpoints/:endpointId",
  pauseWebhookEndpoint: "POST /api/webhook-endpoints/:endpointId/pause",
  resumeWebhookEndpoint: "POST /api/webhook-endpoints/:endpointId/resume",
  rotateWebhookSecret: "POST /api/webhook-endpoints/:endpointId/secret",
  testWebhookEndpoint: "POST /api/webhook-endpoints/:endpointId/test",
  listWebhookDeliveries: "GET /api/webhook-endpoints/:endpointId/deliveries",
  replayWebhookDelivery: "POST /api/webhook-endpoints/:endpointId/deliveries/:deliveryId/replay",
  replayWebhookDeliveries: "POST /api/webhook-endpoints/:endpointId/replay",
  listHeartbeats: "GET /api/heartbeats",
  createHeartbeat: "POST /api/heartbeats",
  getHeartbeat: "GET /api/heartbeats/:heartbeatId",
  deleteHeartbeat: "DELETE /api/heartbeats/:heartbeatId",
  pauseHeartbeat: "POST /api/heartbeats/:heartbeatId/pause",
  resumeHeartbeat: "POST /api/heartbeats/:heartbeatId/resume",
  heartbeatHistory: "GET /api/heartbeats/:heartbeatId/history",
  listTemplates: "GET /api/admin/email/templates",
  createTemplate: "POST /api/admin/email/templates",
  getTemplate: "GET /api/admin/email/templates/:name",
  deleteTemplate: "DELETE /api/admin/email/templates/:name",
  addTemplateVersion: "POST /api/admin/email/templates/:name/versions",
  getTemplateVersion: "GET /api/admin/email/templates/:name/versions/:version",
  publishTemplateVersion: "POST /api/admin/email/templates/:name/versions/:version/publish",
  previewTemplateDraft: "POST /api/admin/email/templates/:name/preview",
  testTemplate: "POST /api/admin/email/templates/:name/test",
  listScheduledTasks: "GET /api/admin/scheduled-tasks",
  scheduledTaskHistory: "GET /api/admin/scheduled-tasks/history",
  runTask: "POST /api/admin/scheduled-tasks/:name/run",
  retryRun: "POST /api/admin/scheduled-tasks/history/:runId/retry",
} as const satisfies {
  [Id in keyof Contract]?: `${Contract[Id]["method"]} ${Contract[Id]["path"]}`;
};

export type CalledOperation = keyof typeof routes;
export type RequestOf<Id extends CalledOperation> = ClientRequest<Contract[Id]>;
export type AnswerBody<Id extends CalledOperation> =
  | Extract<ClientAnswer<Contract[Id]>, { ok: true }>["body"]
  | (Id extends "getHealth" ? InferOutput<Contract["getHealth"]["answers"][503]> : never);
/** The answer of `/health`: 200, or 503 while Luna is down. */
export type Health = AnswerBody<"getHealth">;

/** `status` 0: no answer. */
export type CallFailure = {
  ok: false;
  status: number;
  title: string;
  detail: string;
  retryAfterMs: number | null;
  body: unknown;
};
export type CallOutcome<Body> = { ok: true; status: number; body: Body } | CallFailure;

const READ_TIMEOUT_MS = 15_000;
/** A task may take minutes. */
const WRITE_TIMEOUT_MS = 300_000;

/** Calls the API. Never throws: every failure is a value. */
export async function callApi<Id extends CalledOperation>(
  token: string | null,
  id: Id,
  request: RequestOf<Id> = {},
): Promise<CallOutcome<AnswerBody<Id>>> {
  const [method = "", path = ""] = routes[id].split(" ");
  const timeoutMs = method === "GET" ? READ_TIMEOUT_MS : WRITE_TIMEOUT_MS;
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const response = await sendRequest(
      { baseUrl: "", token: token ?? undefined },
      { method, path },
      { ...(request as PlainRequest), signal },
    );
    const text = await response.text();
    const isText = response.headers.get("Content-Type")?.startsWith("text/csv") === true;
    const body = isText ? text : parsed(text);
    const isAnswer =
      response.ok || (id === "getHealth" && response.status === 503 && isHealth(body));
    return isAnswer
      ? { ok: true, status: response.status, body: body as AnswerBody<Id> }
      : failureOf(response, body);
  } catch (error) {
    const detail = signal.aborted
      ? `No answer within ${timeoutMs / 1_000} s.`
      : `The browser cannot reach it (${String(error)}).`;
    return {
      ok: false,
      status: 0,
      title: "The API does not answer",
      detail,
      retryAfterMs: null,
      body: null,
    };
  }
}

/** A 503 from a proxy in front of Luna is not an answer of `/health`. */
const isHealth = (body: unknown): boolean =>
  typeof body === "object" && body !== null && "checks" in body;

/** An answer of the API that is a failure for the operator. */
export function failedCall(title: string, detail: string): CallFailure {
  return { ok: false, status: 200, title, detail, retryAfterMs: null, body: null };
}

function failureOf(response: Response, body: unknown): CallFailure {
  const problem = (body ?? {}) as {
    title?: string;
    detail?: string;
    errors?: { path: string; message: string }[];
  };
  const fields = problem.errors?.map(({ path, message }) => `${path} ${message}`).join("; ");
  const seconds = Number(response.headers.get("Retry-After") ?? Number.NaN);
  return {
    ok: false,
    status: response.status,
    title: problem.title ?? `The API answered ${response.status}`,
    detail: [problem.detail ?? "", fields ?? ""].filter((text) => text !== "").join(" "),
    retryAfterMs: Number.isFinite(seconds) ? seconds * 1_000 : null,
    body,
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
