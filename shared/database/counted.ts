import { COUNTED_UP_TO } from "../lib/base/counted.ts";

/**
 * SQL: how many rows there are, at most one more than `COUNTED_UP_TO`. An index must find them,
 * since those that a condition leaves out are read, too.
 *
 * @param from what follows FROM
 */
export const countUpTo = (from: string): string =>
  `(SELECT COUNT(*) FROM (SELECT 1 FROM ${from} LIMIT ${COUNTED_UP_TO + 1}))`;
