import * as v from "valibot";

export const templateName = v.pipe(
  v.string("must be text"),
  v.regex(/^[a-z0-9-]{1,64}$/, "must be 1 to 64 lower-case letters, digits or hyphens"),
);
