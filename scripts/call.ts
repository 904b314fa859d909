import type { Client, ClientAnswer, ClientRequest } from "../shared/contract/client/client.ts";
import type { Operation } from "../shared/contract/operation.ts";

type Succeeded<Called extends Operation> = Extract<ClientAnswer<Called>, { ok: true }>;

/** @throws Error with the problem, if the call fails */
export async function callOrThrow<const Called extends Operation>(
  client: Client,
  operation: Called,
  request?: ClientRequest<Called>,
): Promise<Succeeded<Called>> {
  const answer = await client(operation, request);
  if (answer.ok) return answer as unknown as Succeeded<Called>;
  throw new Error(
    `${operation.method} ${operation.path} answered ${answer.status}: ${answer.problem.detail}`,
  );
}
