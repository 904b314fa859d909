import type { Health } from "./api.ts";
import { useResource, type Reading } from "./resource.ts";

/** Outside the pages, because it must outlive a change of page. */
let downSince: string | null = null;

/** `downSince`: when this tab first saw that the database does not answer. */
export function useHealth(): Reading<Health> & { downSince: string | null } {
  const reading = useResource("getHealth");
  const { body, at } = reading;
  if (body?.status !== "down") downSince = null;
  else if (at !== null) downSince ??= new Date(at).toISOString();
  return { ...reading, downSince };
}
