import type * as v from "valibot";
import type { Failure } from "../http/failure.ts";
import type { Result } from "../lib/base/result.ts";
import type { Accepted } from "./accept-answer.ts";
import type { emailRequest } from "./schemas.ts";

/** An email as a caller describes it: the body of `POST /api/emails`. */
export type EmailInput = v.InferInput<typeof emailRequest>;

/**
 * What other Workers may call through a service binding to the entrypoint `Emails` of `luna-api`:
 *
 *     import type { EmailsRpc } from "luna-backend/rpc";
 *
 *     export async function sendReceipt(env: { EMAILS: Fetcher & EmailsRpc }) {
 *       const sent = await env.EMAILS.send(
 *         { to: "ada@example.com", subject: "Your receipt", text: "Thank you." },
 *         { idempotencyKey: "receipt-1" },
 *       );
 *       return sent.ok ? sent.value.id : sent.error.tag;
 *     }
 *
 * `message` is under the same checks and guarantees as `POST /api/emails`. `ok` means that the
 * database has the email. With the same `idempotencyKey` a repeated call sends no second copy.
 * `traceparent` (W3C Trace Context) makes the email a part of its trace.
 */
export interface EmailsRpc {
  send(
    message: EmailInput,
    options?: { idempotencyKey?: string; traceparent?: string },
  ): Promise<Result<Accepted, Failure>>;
}
