import * as v from "valibot";
import { EVERYTHING } from "./view.ts";

/** In UTF-16 units. */
const MAX_TAG_LENGTH = 1_024;

/**
 * A tag, a key or a pattern, or `*` for everything. Text with half of a surrogate pair, as a cut
 * emoji has, does not come back from SQLite and KV as it went in, so it could be neither purged nor
 * deleted.
 */
export const name = v.pipe(
  v.string("must be text"),
  v.minLength(1, "is empty"),
  v.maxLength(MAX_TAG_LENGTH, "is too long"),
  v.check((text) => text.isWellFormed(), "is not well-formed Unicode"),
);

/** The one definition of what an entry may carry, and of what can be purged, except everything. */
export const tag = v.pipe(
  name,
  v.check(
    (text) => text !== EVERYTHING,
    "is not a tag: to purge everything send { all: true } over HTTP",
  ),
);

/** Whether the tag index can hold it: as a tag, as a key or as a pattern. */
export function isTag(text: string): boolean {
  return v.is(tag, text);
}
