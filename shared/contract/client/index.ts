/**
 * A typed client of Luna's HTTP API. It runs wherever `fetch` does: in a Worker, in Node, in a
 * browser.
 *
 *     import { createClient, sendEmail } from "luna-backend/client";
 *
 *     export async function sendReceipt(token: string): Promise<string> {
 *       const luna = createClient({ baseUrl: "https://luna.example.com", token });
 *       const sent = await luna(sendEmail, {
 *         body: { to: "ada@example.com", subject: "Your receipt", text: "Thank you." },
 *         idempotencyKey: "receipt-1",
 *       });
 *       if (!sent.ok) throw new Error(sent.problem.detail);
 *       return sent.body.id;
 *     }
 *
 * Each operation of docs/reference/api.md is an export under its id.
 */
export { createClient, type Client, type ClientAnswer, type ClientRequest } from "./client.ts";
export type { RequestSettings as ClientSettings } from "./request.ts";
export {
  verifyWebhook,
  type EventType,
  type LunaEvent,
  type VerifiedWebhook,
  type WebhookCall,
} from "./webhooks.ts";
export type { Operation } from "../operation.ts";
export * from "../alerts.ts";
export * from "../api-keys.ts";
export * from "../attachments.ts";
export * from "../cache.ts";
export * from "../circuit-breakers.ts";
export * from "../dead-letters.ts";
export * from "../email-counts.ts";
export * from "../email-transports.ts";
export * from "../emails.ts";
export * from "../heartbeats.ts";
export * from "../invitations.ts";
export * from "../jobs.ts";
export * from "../own-senders.ts";
export * from "../own-templates.ts";
export * from "../pauses.ts";
export * from "../scheduled-tasks.ts";
export * from "../senders.ts";
export * from "../suppressions.ts";
export * from "../system.ts";
export * from "../teams.ts";
export * from "../telemetry.ts";
export * from "../templates.ts";
export * from "../usage.ts";
export * from "../user-administration.ts";
export * from "../users.ts";
export * from "../webhook-endpoints.ts";
