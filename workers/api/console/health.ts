import type { Health } from "./api.ts";
import { useResource, type Reading } from "./resource.ts";

/** Beside the pages, which come and go while the database is down. */
let downSince: string | null = null;

/** `downSince`: since when it is seen here that the database does not answer. */
export function useHealth(): Reading<Health> & { downSince: string | null } {
  const reading = useResource("getHealth");
  const { body, at } = reading;
  if (body?.status !== "down") downSince = null;
  else if (at !== null) downSince ??= new Date(at).toISOString();
  return { ...reading, downSince };
}
