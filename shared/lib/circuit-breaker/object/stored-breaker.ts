import * as v from "valibot";
import { describeError, log } from "../../worker/log.ts";
import { initialBreaker, type Breaker } from "../rules/phase.ts";
import type { Outage, RecordedTransition } from "../rules/rpc.ts";
import { thresholds, type Thresholds } from "../rules/thresholds.ts";
import type { Transition } from "../rules/transition.ts";

/** SQL of one circuit breaker, in the storage of its object. */

/** Older transitions are dropped. */
const MAX_TRANSITIONS = 1_000;

const number = v.number();
/** Rows of an earlier release lack what came later. */
const zero = v.optional(number, 0);
const away = { reopens: number, downSince: zero, usual: zero };
const evidence = v.optional(
  v.nullable(
    v.object({ since: number, failures: number, calls: number, usual: number, needed: number }),
  ),
  null,
);
const phase = v.variant("state", [
  v.object({
    state: v.literal("CLOSED"),
    window: v.array(
      v.object({ start: number, failures: number, calls: number, slow: zero, held: zero }),
    ),
    evidence,
    slowEvidence: evidence,
    since: zero,
    usual: zero,
  }),
  v.object({ state: v.literal("OPEN"), openedAt: number, durationMs: number, ...away }),
  v.object({
    state: v.literal("HALF_OPEN"),
    permit: v.nullable(v.object({ id: v.string(), grantedAt: number, lastsMs: number })),
    ramp: v.optional(
      v.nullable(
        v.object({ share: number, at: number, doublesMs: number, failures: number, calls: number }),
      ),
      null,
    ),
    ...away,
  }),
]);
const override = v.variant("kind", [
  v.object({ kind: v.picklist(["none", "forced-closed", "disabled"]) }),
  v.object({ kind: v.literal("forced-open"), ends: v.boolean() }),
]);
const stored = v.object({ phase, override });

export function createBreakerTables(sql: SqlStorage): void {
  sql.exec(`CREATE TABLE IF NOT EXISTS breaker (
      id INTEGER PRIMARY KEY CHECK (id = 1), epoch INTEGER NOT NULL, state TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS transitions (
      id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, from_state TEXT NOT NULL,
      to_state TEXT NOT NULL, epoch INTEGER NOT NULL, cause TEXT NOT NULL, actor TEXT NOT NULL,
      reason TEXT
    ) STRICT;
    CREATE TABLE IF NOT EXISTS thresholds (
      id INTEGER PRIMARY KEY CHECK (id = 1), asked TEXT NOT NULL
    ) STRICT;`);
}

/** What the first caller asked for. Null if none did, or if this version cannot read it. */
export function loadThresholds(sql: SqlStorage): Thresholds | null {
  const [row] = sql.exec<{ asked: string }>("SELECT asked FROM thresholds").toArray();
  if (row === undefined) return null;
  const checked = v.safeParse(thresholds, JSON.parse(row.asked));
  return checked.success ? checked.output : null;
}

export function saveThresholds(sql: SqlStorage, asked: Thresholds | null): void {
  if (asked === null) sql.exec("DELETE FROM thresholds");
  else
    sql.exec("INSERT OR REPLACE INTO thresholds (id, asked) VALUES (1, ?)", JSON.stringify(asked));
}

/**
 * Loads the breaker. If this version cannot read its state, the breaker is closed under a new
 * epoch, since epochs never go back.
 */
export function loadBreaker(sql: SqlStorage): Breaker {
  const [row] = sql
    .exec<{ epoch: number; state: string }>("SELECT epoch, state FROM breaker")
    .toArray();
  if (row === undefined) return initialBreaker;
  try {
    return { epoch: row.epoch, ...v.parse(stored, JSON.parse(row.state)) };
  } catch (error) {
    log("error", "circuit_breaker.state_unreadable", { epoch: row.epoch, ...describeError(error) });
    return { ...initialBreaker, epoch: row.epoch + 1 };
  }
}

export function saveBreaker(sql: SqlStorage, { epoch, ...state }: Breaker): void {
  sql.exec(
    `INSERT INTO breaker (id, epoch, state) VALUES (1, ?1, ?2)
     ON CONFLICT (id) DO UPDATE SET epoch = ?1, state = ?2`,
    epoch,
    JSON.stringify(state),
  );
}

export function saveTransition(
  sql: SqlStorage,
  { at, from, to, epoch, cause, actor, reason }: Transition,
): void {
  sql.exec(
    `INSERT INTO transitions (at, from_state, to_state, epoch, cause, actor, reason)
     VALUES (?, ?, ?, ?, ?, ?, ?)`,
    at,
    from,
    to,
    epoch,
    cause,
    actor,
    reason ?? null,
  );
  sql.exec(
    "DELETE FROM transitions WHERE id <= (SELECT MAX(id) FROM transitions) - ?",
    MAX_TRANSITIONS,
  );
}

/** Transitions with an id below `before`, newest first. */
export function listTransitions(
  sql: SqlStorage,
  limit: number,
  before: number = Number.MAX_SAFE_INTEGER,
): RecordedTransition[] {
  return sql
    .exec<Row>(
      `SELECT id, at, from_state AS "from", to_state AS "to", epoch, cause, actor, reason
       FROM transitions WHERE id < ? ORDER BY id DESC LIMIT ?`,
      before,
      limit,
    )
    .toArray()
    .map(
      ({ reason, ...row }) => (reason === null ? row : { ...row, reason }) as RecordedTransition,
    );
}

/** The outage of a breaker that is not closed. Null if its transitions are no longer kept. */
export function currentOutage(sql: SqlStorage): Outage | null {
  const [row] = sql
    .exec<{ since: number | null; reason: string | null }>(
      `SELECT (SELECT at FROM transitions WHERE from_state = 'CLOSED' ORDER BY id DESC LIMIT 1)
                AS since,
              (SELECT reason FROM transitions WHERE to_state = 'OPEN' ORDER BY id DESC LIMIT 1)
                AS reason`,
    )
    .toArray();
  return row === undefined || row.since === null ? null : { since: row.since, reason: row.reason };
}

type Row = {
  id: number;
  at: number;
  from: string;
  to: string;
  epoch: number;
  cause: string;
  actor: string;
  reason: string | null;
};
