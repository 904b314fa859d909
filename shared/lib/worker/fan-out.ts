/**
 * An invocation of a Worker has so many connections at a time. Further calls wait for one
 * (developers.cloudflare.com/workers/platform/limits/#simultaneous-open-connections).
 */
const MAX_CONNECTIONS = 6;

/**
 * Makes a remote call for each item, at most six at a time. A call begins when it has a connection,
 * so that its time limit does not run while it waits for one.
 *
 * @param atOnce fewer, where other calls of the invocation run at the same time
 * @returns the values, in the order of the items
 * @throws what the first call in the list threw, after all have ended
 */
export async function fanOut<Item, Value>(
  items: readonly Item[],
  call: (item: Item, index: number) => Promise<Value>,
  atOnce = MAX_CONNECTIONS,
): Promise<Value[]> {
  const values: Value[] = [];
  const failures: { index: number; error: unknown }[] = [];
  const waiting = items.entries();
  const connection = async (): Promise<void> => {
    for (const [index, item] of waiting) {
      try {
        values[index] = await call(item, index);
      } catch (error) {
        failures.push({ index, error });
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, connection));
  const [first] = failures.toSorted((one, other) => one.index - other.index);
  if (first !== undefined) throw first.error;
  return values;
}
