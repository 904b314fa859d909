/**
 * How a provider's feedback names the email that it is about: a tag that goes out with the email
 * and comes back.
 */

const NAME = "luna_email";

/** What a provider recognizes a repeat by: an email with the same recipients. */
export type HandOverOf = { id: string; generation: number; part: number };

const parts = ({ id, generation, part }: HandOverOf): (string | number)[] =>
  part === 1 ? [id, generation] : [id, generation, part];

/** The key of a hand-over. The first part is not named, as before there were parts. */
export const handOverKey = (email: HandOverOf): string => parts(email).join(":");

/** Tags hold ASCII letters, digits, underscores and dashes. */
export function feedbackTag(email: HandOverOf): { name: string; value: string } {
  return { name: NAME, value: parts(email).join("_") };
}

/** Which email a tag names; null if it is none of ours. */
export function emailOfTag(name: string, value: string): HandOverOf | null {
  const found =
    name === NAME ? /^([\w-]{1,64}?)_([1-9]\d{0,8})(?:_([1-9]\d{0,8}))?$/.exec(value) : null;
  if (found === null) return null;
  const [, id = "", generation, part = "1"] = found;
  return { id, generation: Number(generation), part: Number(part) };
}
