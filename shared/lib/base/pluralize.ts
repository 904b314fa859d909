/** "1 email", "2 emails". For nouns whose plural ends with an s. Pure. */
export function pluralize(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
