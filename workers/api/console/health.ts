import type { Health } from "./api.ts";
import { useResource, type Reading } from "./resource.ts";

/** `/health` answers 503 while the database is down, and says so all the same. `downSince`: since when that is seen here. */
export function useHealth(): Reading<Health> & { downSince: string | null } {
  const reading = useResource("getHealth");
  const { failure } = reading;
  const told = failure?.body as Partial<Health> | null | undefined;
  if (failure?.status !== 503 || told?.checks === undefined) return { ...reading, downSince: null };
  return { body: told as Health, at: Date.now(), failure: null, downSince: new Date(failure.since).toISOString() };
}
