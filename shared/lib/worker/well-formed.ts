/**
 * Half of a surrogate pair, such as `title.slice(0, n)` makes of an emoji, is in no UTF-8: storage
 * and network replace it in silence, so that what was written is not what is read.
 */

/**
 * A list or an object on the way to where the walk is. `names`: its fields; null for a list, whose
 * positions need none. `next`: the position of what is walked next.
 */
type Step = { inside: object; names: readonly string[] | null; next: number };

/**
 * The path of each text in a value that is not well-formed Unicode, the names of fields included.
 * Pure. It walks lists and plain objects, however deep or circular they are. It holds only the way
 * to where it is: a body may have half a million items.
 *
 * @param skip names of fields of the value itself
 */
export function malformedTexts(value: unknown, skip: ReadonlySet<string>, max: number): string[] {
  const found: string[] = [];
  const seen = new Set<object>();
  const way: Step[] = [];
  const visit = (here: unknown): void => {
    if (typeof here === "string" && !here.isWellFormed()) found.push(pathOf(way));
    if (!isWalked(here) || seen.has(here)) return;
    const names = Array.isArray(here)
      ? null
      : Object.keys(here).filter((name) => way.length > 0 || !skip.has(name));
    if ((names ?? (here as unknown[])).length === 0) return;
    seen.add(here);
    way.push({ inside: here, names, next: 0 });
    for (const name of names ?? []) if (!name.isWellFormed()) found.push(pathOf(way, name));
  };
  visit(value);
  for (let at = way.at(-1); at !== undefined && found.length < max; at = way.at(-1)) {
    const { inside, names, next } = at;
    if (next >= (names ?? (inside as unknown[])).length) way.pop();
    else {
      at.next += 1;
      visit((inside as Record<string, unknown>)[names?.[next] ?? next]);
    }
  }
  return found.slice(0, max);
}

function isWalked(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(value)) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

/** Empty for the value itself. @param name the field of the last step, else the one it is at */
function pathOf(way: readonly Step[], name?: string): string {
  const last = way.length - 1;
  const names = way.map(({ names: all, next }, n) =>
    n === last && name !== undefined ? name : (all?.[next - 1] ?? String(next - 1)),
  );
  return names.join(".").toWellFormed();
}
