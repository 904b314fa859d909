import * as v from "valibot";

/**
 * An object with a name of its own: in the OpenAPI document it is one component, to which all that
 * have it refer. Names are unique.
 */
export const named = <const Entries extends v.ObjectEntries>(name: string, entries: Entries) =>
  v.pipe(v.strictObject(entries), v.title(name));
