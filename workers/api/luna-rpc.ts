import { WorkerEntrypoint } from "cloudflare:workers";
import { createClient } from "../../shared/contract/client/client.ts";
import type { LunaRequest } from "../../shared/contract/client/rpc.ts";
import type { Operation } from "../../shared/contract/operation.ts";
import { operations } from "../../shared/contract/operations.ts";
import type { ApiEnv } from "../env.ts";
import { dispatch } from "./dispatch.ts";

/** An origin for URLs. Nothing is sent there. */
const BASE_URL = "https://luna.internal";

/**
 * Each operation of the HTTP API as a method of that name: see `LunaRpc` in
 * shared/contract/client/rpc.ts.
 */
export class Luna extends WorkerEntrypoint<ApiEnv> {}

for (const operation of operations) {
  // RPC calls only methods of the class. There is one for each operation.
  Object.defineProperty(Luna.prototype, operation.id, {
    async value(this: { env: ApiEnv }, { token, ...request }: LunaRequest<Operation> = {}) {
      const client = createClient({
        baseUrl: BASE_URL,
        token,
        fetch: (url, init) => dispatch(new Request(url, init), this.env),
      });
      return await client(operation, request);
    },
  });
}
