import * as v from "valibot";
import { record } from "../../lib/worker/record.ts";

/** What an operator keeps about a user: a small flat object. Pure. */

const MAX_ENTRIES = 50;
const MAX_TEXT = 1_000;
const MAX_LENGTH = 8_192;

const key = v.pipe(
  v.string(),
  v.regex(/^[\w.-]{1,64}$/, "must be 1 to 64 letters, digits, dots, dashes or underscores"),
);
const value = v.union(
  [v.pipe(v.string(), v.maxLength(MAX_TEXT)), v.pipe(v.number(), v.finite()), v.boolean()],
  `must be text of at most ${MAX_TEXT} characters, a number, true or false`,
);

export const metadata = v.pipe(
  record(key, value),
  v.check(
    (given) => Object.keys(given).length <= MAX_ENTRIES,
    `must have at most ${MAX_ENTRIES} entries`,
  ),
  v.check(
    (given) => JSON.stringify(given).length <= MAX_LENGTH,
    `must have at most ${MAX_LENGTH} characters as JSON`,
  ),
);
export type Metadata = v.InferOutput<typeof metadata>;
