import * as v from "valibot";

/**
 * A list of at most `maxLength` entries. The length is checked before the entries: a body of 1 MiB
 * can hold half a million wrong entries, and an issue for each would not fit into an isolate.
 */
export function shortList<const Item extends v.GenericSchema>(item: Item, maxLength: number) {
  const message = `must have at most ${maxLength} entries`;
  const list = v.pipe(v.array(item, "must be a list"), v.maxLength(maxLength, message));
  const tooLong = v.pipe(v.array(v.unknown()), v.maxLength(maxLength, message));
  const checkEntries = list["~run"];
  const checkLengthFirst: typeof checkEntries = (dataset, config) =>
    Array.isArray(dataset.value) && dataset.value.length > maxLength
      ? tooLong["~run"](dataset, config)
      : checkEntries(dataset, config);
  return Object.assign(list, { "~run": checkLengthFirst });
}

/** What the cursor of a list is refused with that is not of its form. */
export const NOT_A_CURSOR = "is not a cursor of this list";

/**
 * A cursor: `<ms since the epoch>~<id>` of the last item shown.
 *
 * @param id the form of an id of this list. A number has at most 15 digits: it is safe
 */
export const cursorWith = (id: RegExp) =>
  v.pipe(
    v.string(),
    v.regex(new RegExp(String.raw`^\d{1,15}~${id.source}$`), NOT_A_CURSOR),
    v.transform((text): Cursor => ({
      at: Number(text.slice(0, text.indexOf("~"))),
      id: text.slice(text.indexOf("~") + 1),
    })),
  );

/** The query of a paged list. */
export const pageOf = v.strictObject({
  limit: v.optional(
    v.pipe(v.string(), v.regex(/^([1-9]\d?|100)$/, "must be from 1 to 100"), v.transform(Number)),
    "20",
  ),
  cursor: v.optional(cursorWith(/[\w.:-]{1,200}/)),
});

export type Cursor = { at: number; id: string };

/**
 * Takes one page of `limit + 1` rows. `nextCursor` is present while more rows follow.
 *
 * @param at the time that orders the list
 */
export function pageFrom<Row extends { id: string }>(
  rows: Row[],
  limit: number,
  at: (row: Row) => number,
): { rows: Row[]; nextCursor?: string } {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return rows.length > limit && last !== undefined
    ? { rows: shown, nextCursor: `${at(last)}~${last.id}` }
    : { rows: shown };
}
