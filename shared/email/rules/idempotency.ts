/**
 * Under which name an Idempotency-Key is stored. Those of a batch are `<key>#<position>`, so a
 * caller's key that looks like one gets a space, which no caller's key has. Those of a test key
 * begin with a word and a space: a test must not stand for an email that has to leave.
 *
 * @param position of the email in its batch; null if it came alone
 * @param test whether a test key sends it
 * @returns `former`: the name that an earlier release gave the same key, if that was another
 */
export function storedKey(
  key: string,
  position: number | null,
  test = false,
): { name: string; former: string | null } {
  if (test) return { name: `test ${storedKey(key, position).name}`, former: null };
  if (position !== null) return { name: `${key}#${position}`, former: null };
  return /#\d+$/.test(key) ? { name: `${key} `, former: key } : { name: key, former: null };
}

/** JSON with the fields of each object in one order: the same for what means the same. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === "object" && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}
