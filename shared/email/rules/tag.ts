/**
 * How a provider's feedback names the email that it is about: a tag that goes out with the email
 * and comes back.
 */

const NAME = "luna_email";

/** Tags hold ASCII letters, digits, underscores and dashes. */
export function feedbackTag({ id, generation }: { id: string; generation: number }): {
  name: string;
  value: string;
} {
  return { name: NAME, value: `${id}_${generation}` };
}

/** Which email a tag names; null if it is none of ours. */
export function emailOfTag(name: string, value: string): { id: string; generation: number } | null {
  const parts = name === NAME ? /^([\w-]{1,64})_([1-9]\d{0,8})$/.exec(value) : null;
  return parts === null ? null : { id: parts[1] ?? "", generation: Number(parts[2]) };
}
