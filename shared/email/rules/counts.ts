import { DAY_MS } from "../../lib/base/clock.ts";
import type { EmailStatus } from "./lifecycle.ts";

/**
 * Counts of the emails that were accepted on a day: which days are counted when, and sums. Pure.
 *
 * The emails of a day are counted tenant by tenant, in the order of an index. What was counted of
 * the tenant that is under way, and of all tenants, goes along from page to page, so a count can
 * stop anywhere. It is bounded: of further names only the sum is kept.
 */

export const countKinds = ["day", "tag", "sender", "transport"] as const;
export type CountKind = (typeof countKinds)[number];

/** Each email counts once, by the status that it has when it is counted. */
export const countStates = [
  "waiting",
  "sent",
  "delivered",
  "bounced",
  "complained",
  "unknown",
  "dead",
  "cancelled",
  "suppressed",
] as const;
export type CountState = (typeof countStates)[number];
export type StateCounts = Record<CountState, number>;

export function countStateOf(status: EmailStatus): CountState {
  switch (status) {
    case "scheduled":
    case "queued":
    case "pinned":
    case "claimed":
    case "sending":
      return "waiting";
    case "discarded":
      return "dead";
    case "sent":
    case "delivered":
    case "bounced":
    case "complained":
    case "unknown":
    case "dead":
    case "cancelled":
    case "suppressed":
      return status;
  }
}

/** An email as it is counted. `at`: when it was accepted. */
export type CountedEmail = {
  tenant: string;
  at: number;
  id: string;
  status: EmailStatus;
  tags: readonly string[];
  sender: string;
  transport: string | null;
};

/** Per kind: counts by name. */
export type NameCounts = Record<CountKind, Map<string, StateCounts>>;

/** Of a day the only name; of the other kinds all names after the first 100. */
export const REST = "";
export const MAX_NAMES = 100;

const ofKinds = <Value>(valueOf: (kind: CountKind) => Value): Record<CountKind, Value> =>
  Object.fromEntries(countKinds.map((kind) => [kind, valueOf(kind)])) as Record<CountKind, Value>;

const emptyTally = (): NameCounts => ofKinds(() => new Map<string, StateCounts>());

const zero = Object.fromEntries(countStates.map((state) => [state, 0])) as StateCounts;

function namesOf(email: CountedEmail): Record<CountKind, Iterable<string>> {
  return {
    day: [REST],
    tag: new Set(email.tags),
    sender: [email.sender],
    transport: email.transport === null ? [] : [email.transport],
  };
}

/** Changes `tally`, which is a copy of a page's own. */
function add(tally: NameCounts, email: CountedEmail): void {
  const state = countStateOf(email.status);
  const names = namesOf(email);
  for (const kind of countKinds) {
    const counts = tally[kind];
    for (const name of names[kind]) {
      const isFull = counts.size - (counts.has(REST) ? 1 : 0) >= MAX_NAMES;
      const as = counts.has(name) || !isFull ? name : REST;
      const before = counts.get(as) ?? zero;
      counts.set(as, { ...before, [state]: before[state] + 1 });
    }
  }
}

/** A row of counts. */
export type CountRow = StateCounts & { tenant: string; kind: CountKind; name: string };

export const rowsOf = (tenant: string, tally: NameCounts): CountRow[] =>
  countKinds.flatMap((kind) =>
    [...tally[kind]].map(([name, counts]) => ({ tenant, kind, name, ...counts })),
  );

const keyOf = ({ tenant, kind, name }: CountRow): string => JSON.stringify([tenant, kind, name]);

/** What is written so that what is stored becomes what was counted: nothing that is the same. */
export function countChanges(
  stored: readonly CountRow[],
  counted: readonly CountRow[],
): { changed: CountRow[]; gone: CountRow[] } {
  const known = new Map(stored.map((row) => [keyOf(row), row]));
  const now = new Set(counted.map(keyOf));
  return {
    changed: counted.filter((row) => {
      const before = known.get(keyOf(row));
      return before === undefined || countStates.some((state) => before[state] !== row[state]);
    }),
    gone: stored.filter((row) => !now.has(keyOf(row))),
  };
}

/**
 * How far the count of a day has come. `tenant`: all before it are counted; "" at the beginning.
 * `after`: it is counted up to this email; null if it is counted, too. `own`: of that tenant.
 */
export type CountProgress = {
  beganAt: number;
  tenant: string;
  after: { at: number; id: string } | null;
  own: NameCounts;
  all: NameCounts;
};

export const beginCount = (now: number): CountProgress => ({
  beganAt: now,
  tenant: "",
  after: null,
  own: emptyTally(),
  all: emptyTally(),
});

type StoredTally = Record<CountKind, [string, StateCounts][]>;
/** As JSON. Another release may have another version. */
export type StoredProgress = Omit<CountProgress, "own" | "all"> & {
  v: 1;
  own: StoredTally;
  all: StoredTally;
};

export const toStored = ({ own, all, ...progress }: CountProgress): StoredProgress => ({
  v: 1,
  ...progress,
  own: ofKinds((kind) => [...own[kind]]),
  all: ofKinds((kind) => [...all[kind]]),
});

/** @returns null for the progress of another release: the day is counted from its beginning */
export function fromStored(stored: StoredProgress): CountProgress | null {
  const { v, own, all, ...progress } = stored;
  if (v !== 1) return null;
  return {
    ...progress,
    own: ofKinds((kind) => new Map(own[kind])),
    all: ofKinds((kind) => new Map(all[kind])),
  };
}

/** A tenant that is counted. */
export type CountedTenant = { tenant: string; tally: NameCounts };

/**
 * StateCounts a page of emails, in the order of their tenants.
 *
 * @param last the tenant up to which the page goes; null if its last email may not be that tenant's
 *   last one
 */
export function afterPage(
  progress: CountProgress,
  emails: readonly CountedEmail[],
  last: string | null,
): { progress: CountProgress; counted: CountedTenant[] } {
  const counted: CountedTenant[] = [];
  let { tenant, after } = progress;
  let own = structuredClone(progress.own);
  const all = structuredClone(progress.all);
  const end = (): void => {
    if (after !== null) counted.push({ tenant, tally: own });
    own = emptyTally();
    after = null;
  };
  for (const email of emails) {
    if (email.tenant !== tenant) end();
    tenant = email.tenant;
    add(own, email);
    add(all, email);
    after = { at: email.at, id: email.id };
  }
  if (last !== null) {
    end();
    tenant = last;
  }
  return { progress: { ...progress, tenant, after, own, all }, counted };
}

const TODAY_EVERY_MS = 2 * 3_600_000;
/** So many days after its end a day is counted again, for outcomes that come late. */
const COUNTED_AGAIN = [0, 1, 3, 7];
/** No email is deleted before. */
const MAX_AGE_DAYS = 30;

/** `countedAt`: when its last complete count began. */
export type DayState = { day: string; countedAt: number | null; isUnderWay: boolean };

const dayText = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/** The last time at which a day should have been counted, by now. */
function wantedAt(beginsAt: number, now: number): number {
  const endsAt = beginsAt + DAY_MS;
  if (now < endsAt)
    return beginsAt + Math.floor((now - beginsAt) / TODAY_EVERY_MS) * TODAY_EVERY_MS;
  return Math.max(...COUNTED_AGAIN.map((days) => endsAt + days * DAY_MS).filter((at) => at <= now));
}

/** The first day that matters now: a task reads what is known from it on. */
export const firstDay = (now: number): string => dayText(now - MAX_AGE_DAYS * DAY_MS);

/** The days to count, in their order: what is under way, then the newest. */
export function daysToCount(known: readonly DayState[], now: number): string[] {
  const today = Math.floor(now / DAY_MS) * DAY_MS;
  const states = new Map(known.map((one) => [one.day, one]));
  const days = Array.from({ length: MAX_AGE_DAYS + 1 }, (_, n) => today - n * DAY_MS);
  const due = days.filter((beginsAt) => {
    const { countedAt = null, isUnderWay = false } = states.get(dayText(beginsAt)) ?? {};
    return isUnderWay || countedAt === null || countedAt < wantedAt(beginsAt, now);
  });
  const isUnderWay = (beginsAt: number): boolean =>
    states.get(dayText(beginsAt))?.isUnderWay === true;
  return [...due.filter(isUnderWay), ...due.filter((day) => !isUnderWay(day))].map(dayText);
}
