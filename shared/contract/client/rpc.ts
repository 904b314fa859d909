import type { EmailSend } from "../../email/queue-messages.ts";
import type { EmailInput } from "../../email/rpc.ts";
import type { Operation } from "../operation.ts";
import type { Operations } from "../operations.ts";
import type { ClientAnswer, ClientRequest } from "./client.ts";

export type { Failure } from "../../http/failure.ts";
export type { EmailInput, EmailsRpc } from "../../email/rpc.ts";
export type { ClientAnswer, ClientRequest } from "./client.ts";

/**
 * The types of what another Worker calls and sends when it binds Luna. Nothing here is code: import
 * with `import type`.
 */

/** An operation as a Worker calls it: with whose `token`, and what the HTTP API takes. */
export type LunaRequest<Called extends Operation> = ClientRequest<Called> & { token?: string };

/**
 * What other Workers may call through a service binding to the entrypoint `Luna` of `luna-api`:
 * each operation of the HTTP API by its name, under the same checks, limits and guarantees, without
 * a hop over the network:
 *
 *     import type { LunaRpc } from "luna-backend/rpc";
 *
 *     export async function signUp(env: { LUNA: Fetcher & LunaRpc; ADMIN_TOKEN: string }) {
 *       const created = await env.LUNA.createUser({
 *         token: env.ADMIN_TOKEN,
 *         body: { userId: "ada", email: "ada@example.com" },
 *       });
 *       return created.ok ? created.body.apiKey : created.problem.detail;
 *     }
 *
 * An answer of the API never throws: a problem is a value. The call rejects only if the binding
 * itself fails.
 */
export type LunaRpc = {
  [Name in keyof Operations]: (
    request?: LunaRequest<Operations[Name]>,
  ) => Promise<ClientAnswer<Operations[Name]>>;
};

/**
 * What another Worker sends to the queue `luna-email`:
 *
 *     import type { EmailQueueMessage } from "luna-backend/rpc";
 *
 *     export async function welcome(env: { EMAIL_QUEUE: Queue<EmailQueueMessage> }) {
 *       await env.EMAIL_QUEUE.send({
 *         v: 1,
 *         type: "email.send",
 *         idempotencyKey: "welcome-ada",
 *         message: { to: "ada@example.com", subject: "Welcome", text: "Hello, Ada." },
 *       });
 *     }
 *
 * The guarantees begin when the database has the email. Until then the message is retried, and its
 * key keeps repetitions from sending it twice. A message that is refused becomes a dead letter with
 * the reason. A message has at most 128 KB.
 */
export type EmailQueueMessage = Omit<EmailSend, "message"> & { message: EmailInput };
