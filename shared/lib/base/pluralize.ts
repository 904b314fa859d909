/** "1 mail", "2 mails". For nouns whose plural ends with an s. Pure. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
