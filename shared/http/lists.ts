import * as v from "valibot";

/**
 * A list of at most `maxLength` entries. The length is checked before the entries are looked at: a body of 1 MiB can hold half
 * a million wrong ones, and an issue for each would not fit into an isolate.
 */
export const shortList = <const Item extends v.GenericSchema>(item: Item, maxLength: number) =>
  v.pipe(
    v.array(v.unknown(), "must be a list"),
    v.maxLength(maxLength, `must have at most ${maxLength} entries`),
    v.array(item, "must be a list"),
  );
