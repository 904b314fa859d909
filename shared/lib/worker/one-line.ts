import * as v from "valibot";

/**
 * C0 and C1 controls, line and paragraph separators: none has a place in a header or a name, and CR
 * or LF would begin a new header.
 */
// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const controls = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/;

/** These reorder what is shown, so that a name can look like another. */
const directions = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

/** Neither white space nor invisible. U+2800 is the Braille pattern without a dot. */
const visible = /[^\p{White_Space}\p{Default_Ignorable_Code_Point}\u2800]/u;

const rules = (maxLength: number) =>
  [
    v.minLength<string, 1, string>(1, "is empty"),
    v.maxLength<string, number, string>(maxLength, `must have at most ${maxLength} characters`),
    v.check<string, string>(
      (text) => !controls.test(text),
      "must not contain line breaks or control characters",
    ),
    v.check<string, string>(
      (text) => !directions.test(text),
      "must not contain characters that change the direction of text",
    ),
    v.check<string, string>((text) => text === "" || visible.test(text), "must not be blank"),
  ] as const;

/** Text that is shown in one line, such as a subject or the name of a file. It can be seen. */
export const oneLine = (maxLength: number) => v.pipe(v.string("must be text"), ...rules(maxLength));

/** The same, without white space around it. */
export const trimmedLine = (maxLength: number) =>
  v.pipe(v.string("must be text"), v.trim(), ...rules(maxLength));
