/** How much of something fits: how many, and how many bytes of JSON in UTF-8. */
export type Size = { count: number; bytes: number };

/**
 * What SQLite in an object, or D1, takes as one value, with room: the limit of both is 2 MB
 * (developers.cloudflare.com/durable-objects/platform/limits).
 */
export const MAX_BOUND: Size = { count: Number.POSITIVE_INFINITY, bytes: 1_500_000 };

/** The size of a list as JSON, which is what a statement binds. */
export function sizeOf(list: readonly unknown[]): Size {
  const bytes = new TextEncoder().encode(JSON.stringify(list)).byteLength;
  return { count: list.length, bytes };
}

/**
 * Consecutive groups, each within `max`; an item that alone is larger has a group of its own.
 *
 * @param size of an item; the default is that of an element of a list
 */
export function groupsWithin<Item>(
  items: Iterable<Item>,
  max: Size,
  size: (item: Item) => Size = (item) => sizeOf([item]),
): Item[][] {
  const groups: Item[][] = [];
  let room: Size = { count: 0, bytes: 0 };
  for (const item of items) {
    const { count, bytes } = size(item);
    const group = groups.at(-1);
    const fits = count <= room.count && bytes <= room.bytes;
    if (group === undefined || !fits) {
      groups.push([item]);
      room = { count: max.count - count, bytes: max.bytes - bytes };
    } else {
      group.push(item);
      room = { count: room.count - count, bytes: room.bytes - bytes };
    }
  }
  return groups;
}
