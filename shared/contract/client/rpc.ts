import type { Operation } from "../operation.ts";
import type { Operations } from "../operations.ts";
import type { ClientAnswer, ClientRequest } from "./client.ts";

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
