import type * as cache from "../cache.ts";
import type * as circuitBreakers from "../circuit-breakers.ts";
import type * as deadLetters from "../dead-letters.ts";
import type * as emails from "../emails.ts";
import type { Operation } from "../operation.ts";
import type * as scheduledTasks from "../scheduled-tasks.ts";
import type * as system from "../system.ts";
import type * as teams from "../teams.ts";
import type * as telemetry from "../telemetry.ts";
import type * as users from "../users.ts";
import type { ClientAnswer, ClientRequest } from "./client.ts";

type Operations = typeof users &
  typeof teams &
  typeof emails &
  typeof cache &
  typeof circuitBreakers &
  typeof deadLetters &
  typeof scheduledTasks &
  typeof system &
  typeof telemetry;

/** An operation as a Worker calls it: by whose `token`, and what the HTTP API takes. */
export type LunaRequest<Called extends Operation> = ClientRequest<Called> & { token?: string };

/**
 * What other Workers may call through a service binding to the entrypoint `Luna` of `luna-api`:
 * each operation of the HTTP API by its name, under the same checks, limits and guarantees, without
 * a hop over the network:
 *
 *     const created = await env.LUNA.createUser({ token: env.ADMIN_TOKEN, body: { userId: "ada", email: "ada@example.com" } });
 *     if (!created.ok) console.error(created.problem.detail);
 */
export type LunaRpc = {
  [Name in keyof Operations]: (
    request?: LunaRequest<Operations[Name]>,
  ) => Promise<ClientAnswer<Operations[Name]>>;
};
