import { DAY_MS } from "../lib/base/clock.ts";
import { describeError, log } from "../lib/worker/log.ts";
import { isDatabaseFull } from "./rules/faults.ts";
import {
  limitThatHolds,
  RATE_DAYS,
  refusesNew,
  sizeWithForecast,
  type DatabaseSize,
  type DaySize,
} from "./rules/size.ts";

/** The size of the database, which D1 reports with each reply, and the refusal of new data. */

/** `refuses`: whether new emails and users are refused. */
export type SizeNow = DatabaseSize & { refuses: boolean };

type Look = { bytes: number; days: DaySize[]; refuses: boolean; fullBytes: number | null };

async function look(db: D1Database, now: number): Promise<Look> {
  const [sizes, state] = await db.batch([
    db
      .prepare("SELECT day, bytes FROM database_sizes WHERE day >= ? ORDER BY day")
      .bind(dayOf(now) - RATE_DAYS * DAY_MS),
    selectState(db),
  ]);
  const [row] = (state?.results ?? []) as StateRow[];
  return {
    bytes: sizes?.meta.size_after ?? 0,
    days: (sizes?.results ?? []) as DaySize[],
    refuses: row?.refuses === 1,
    fullBytes: row?.fullBytes ?? null,
  };
}

const dayOf = (now: number): number => now - (now % DAY_MS);

type StateRow = { refuses: number; fullBytes: number | null };

const selectState = (db: D1Database): D1PreparedStatement =>
  db.prepare(
    "SELECT refuses_new AS refuses, full_bytes AS fullBytes FROM database_state WHERE id = 1",
  );

/** How large the database is, when it will be full, and whether it refuses new data. */
export async function readSize(db: D1Database, limitBytes: number, now: number): Promise<SizeNow> {
  const { bytes, days, refuses, fullBytes } = await look(db, now);
  const isFull = fullAt !== null && now - fullAt < NOTED_HERE_MS;
  const limit = limitThatHolds({ bytes, limitBytes }, fullBytes ?? (isFull ? bytes : null));
  return {
    ...sizeWithForecast({ bytes, limitBytes: limit }, days, now),
    refuses: refuses || isFull,
  };
}

/** When this isolate found D1 so full that it could not even note that; null: it did not. */
let fullAt: number | null = null;
/** The next minute's trigger finds out whether there is room again. */
const NOTED_HERE_MS = 120_000;

/**
 * Records the size once per day, and makes the database refuse new emails and users while it is
 * nearly full. To be called each minute. Throws only if D1 does not answer, not if it is full.
 */
export async function watchSize(db: D1Database, limitBytes: number, now: number): Promise<SizeNow> {
  const { bytes, days, refuses: before, fullBytes } = await look(db, now);
  const isStillFull =
    fullBytes !== null && bytes <= fullBytes && !(await hasRoom(db, fullBytes - bytes));
  const limit = limitThatHolds({ bytes, limitBytes }, isStillFull ? fullBytes : null);
  const refuses = refusesNew({ bytes, limitBytes: limit }, before);
  if (refuses !== before || (fullBytes !== null && !isStillFull))
    await evenIfFull(
      db
        .prepare("UPDATE database_state SET refuses_new = ?1, full_bytes = ?2 WHERE id = 1")
        .bind(refuses ? 1 : 0, isStillFull ? fullBytes : null)
        .run(),
    );
  if (!days.some(({ day }) => day === dayOf(now))) await recordDay(db, bytes, now);
  return { ...sizeWithForecast({ bytes, limitBytes: limit }, days, now), refuses };
}

/** More than the pages that SQLite may have left in part. */
const PROBE_BYTES = 64 * 1_024;
/** A row of D1 has at most 2 MB. */
const MAX_PROBE_BYTES = 1_900_000;

/** Whether it can be larger than it was when it was full: writes so much and deletes it. */
async function hasRoom(db: D1Database, missingBytes: number): Promise<boolean> {
  const bytes = missingBytes + PROBE_BYTES;
  if (bytes > MAX_PROBE_BYTES) return false;
  try {
    await db.batch([
      db.prepare("INSERT INTO database_probes (id, filler) VALUES (1, zeroblob(?))").bind(bytes),
      db.prepare("DELETE FROM database_probes WHERE id = 1"),
    ]);
    return true;
  } catch (error) {
    if (isDatabaseFull(error)) return false;
    throw error;
  }
}

/** A forecast that misses a day is no reason to fail. */
async function recordDay(db: D1Database, bytes: number, now: number): Promise<void> {
  await evenIfFull(
    db.batch([
      db
        .prepare("INSERT INTO database_sizes (day, bytes) VALUES (?, ?) ON CONFLICT DO NOTHING")
        .bind(dayOf(now), bytes),
      db.prepare("DELETE FROM database_sizes WHERE day < ?").bind(now - (RATE_DAYS + 2) * DAY_MS),
    ]),
  );
}

async function evenIfFull(write: Promise<unknown>): Promise<void> {
  try {
    await write;
  } catch (error) {
    if (!isDatabaseFull(error)) throw error;
    log("error", "database.full", describeError(error));
  }
}

/**
 * Notes that a write found no room, so that `/health` reports it and new data is refused. Never
 * throws.
 */
export async function noteFull(db: D1Database, now: number): Promise<void> {
  try {
    const { results, meta } = await selectState(db).run<StateRow>();
    if (results[0]?.fullBytes !== null) return;
    await db
      .prepare(
        `UPDATE database_state SET refuses_new = 1, full_bytes = ?
         WHERE id = 1 AND full_bytes IS NULL`,
      )
      .bind(meta.size_after)
      .run();
    fullAt = null;
    log("error", "database.full", { sizeBytes: meta.size_after });
  } catch (later) {
    if (isDatabaseFull(later)) fullAt = now;
    log("error", "database.full_not_noted", describeError(later));
  }
}
