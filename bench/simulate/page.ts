/**
 * Puts each generated part between its markers, `<!-- name -->` and `<!-- /name -->`. The rest
 * of the page is written by hand.
 */
export function withParts(page: string, parts: Readonly<Record<string, string>>): string {
  return Object.entries(parts).reduce((text, [name, part]) => {
    const [open, close] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
    const start = text.indexOf(open);
    const end = text.indexOf(close);
    if (start < 0 || end < start) throw new Error(`the page has no ${open} ... ${close}`);
    return `${text.slice(0, start + open.length)}\n\n${part}\n\n${text.slice(end)}`;
  }, page);
}
