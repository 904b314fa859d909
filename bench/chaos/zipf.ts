/**
 * Popularity by rank: the n-th most popular of `count` is asked for in proportion to 1 / n (Zipf).
 * Pure.
 *
 * @returns a rank from 0 on, for a number in [0, 1)
 */
export function zipf(count: number): (random: number) => number {
  let total = 0;
  const upTo = Array.from({ length: count }, (_, n) => (total += 1 / (n + 1)));
  return (random) => {
    const wanted = random * total;
    let [low, high] = [0, count - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((upTo[middle] ?? 0) > wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}
