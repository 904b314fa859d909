import type { DatabaseSync } from "node:sqlite";
import { METRIC, type Tally } from "./load.ts";
import { partsOfSignUp, usageOf } from "./store.ts";

/** What the users were told, held to what there is. */

export type Transactions = {
  tried: number;
  confirmed: number;
  refused: number;
  unknown: number;
  wrong: string[];
};

const WHOLE = 4;

/**
 * All or nothing, and as it was told: a sign-up that was confirmed is whole, one that was refused
 * is not there at all.
 */
export function judgeTransactions(db: DatabaseSync, { signUps, usage }: Tally): Transactions {
  const wrong = signUps.flatMap(({ userId, address, told }) => {
    const parts = partsOfSignUp(db, userId, address);
    if (parts !== 0 && parts !== WHOLE) return [`${userId}: ${parts} of ${WHOLE} parts are there`];
    if (told === "done" && parts === 0) return [`${userId} was confirmed and is not there`];
    return told === "refused" && parts === WHOLE ? [`${userId} was refused and is there`] : [];
  });
  for (const [userId, { confirmed, open }] of usage) {
    const amount = usageOf(db, userId, METRIC);
    if (amount < confirmed || amount > confirmed + open)
      wrong.push(`${userId}: counted ${amount}, confirmed ${confirmed}, open ${open}`);
  }
  const of = (told: string): number => signUps.filter((one) => one.told === told).length;
  const counted = [...usage.values()];
  return {
    tried: signUps.length + counted.reduce((sum, { confirmed, open }) => sum + confirmed + open, 0),
    confirmed: of("done") + counted.reduce((sum, { confirmed }) => sum + confirmed, 0),
    refused: of("refused"),
    unknown: of("unknown") + counted.reduce((sum, { open }) => sum + open, 0),
    wrong,
  };
}
