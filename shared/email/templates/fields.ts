import * as v from "valibot";

/** What fills a placeholder: one line of text. */
export const word = v.pipe(
  v.string("must be text"),
  v.minLength(1, "is empty"),
  v.maxLength(200, "is too long"),
  // oxlint-disable-next-line no-control-regex -- a line break in a subject would begin a header
  v.regex(/^[^\u0000-\u001f\u007f]*$/, "must be one line"),
);
