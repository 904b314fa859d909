import type { EmailCategory } from "../schemas.ts";

/**
 * Decides which of the waiting emails go first. Transactional emails leave before the rest, and
 * within a lane the tenants take turns: the emails of one tenant delay another's by one email each
 * at most. Pure.
 */

/** 0: transactional. `emails.lane` has the same rule. */
export type Lane = 0 | 1;

export const laneOf = (category: EmailCategory): Lane => (category === "transactional" ? 0 : 1);

/** `hasBacklog`: others of its tenant and lane wait for the rate of a transport already. */
export type Turn = {
  tenant: string;
  category: EmailCategory;
  hasBacklog: boolean;
};

/** Of one claim so many emails of a tenant count as few. The rest of them waits like a backlog. */
const FEW = 5;

/**
 * How far ahead an email may reserve the rate of a transport. A tenant that sends much leaves room
 * before the others, and what is not transactional leaves more.
 */
const AHEAD_MS = { few: 5_000, many: 1_500, rest: 1_000 };

type Placed<One> = { one: One; lane: Lane; many: boolean; round: number; place: number };

/**
 * @param emails of a tenant in the order in which they came
 * @returns the order in which they leave, each with how far ahead it may reserve
 */
export function inTurns<One extends Turn>(
  emails: readonly One[],
): (One & { reservesAheadMs: number })[] {
  const rounds = new Map<string, number>();
  const placed = emails.map((one, place): Placed<One> => {
    const lane = laneOf(one.category);
    const key = backlogKey(one);
    const round = rounds.get(key) ?? 0;
    rounds.set(key, round + 1);
    return { one, lane, many: one.hasBacklog || round >= FEW, round, place };
  });
  placed.sort(
    (a, b) =>
      a.lane - b.lane || Number(a.many) - Number(b.many) || a.round - b.round || a.place - b.place,
  );
  return placed.map(({ one, lane, many }) => ({
    ...one,
    reservesAheadMs: lane === 1 ? AHEAD_MS.rest : many ? AHEAD_MS.many : AHEAD_MS.few,
  }));
}

/** Emails with the same key wait in one line for the rate of a transport. */
export const backlogKey = ({ tenant, category }: Pick<Turn, "tenant" | "category">): string =>
  `${laneOf(category)} ${tenant}`;

/**
 * If a queue batch is larger, more notifications may wait behind it. Then the claim also looks for
 * what waits elsewhere. The notification of what waits behind a smaller batch comes at once.
 */
export const SMALL_BATCH = 10;
