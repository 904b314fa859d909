/**
 * The beginning of a text, at most `maxLength` characters long. It does not end within an emoji,
 * and is well-formed Unicode also if the text is not. Pure.
 */
export function cut(text: string, maxLength: number): string {
  const start = text.slice(0, maxLength);
  const whole = /[\ud800-\udbff]$/.test(start) ? start.slice(0, -1) : start;
  return whole.toWellFormed();
}
