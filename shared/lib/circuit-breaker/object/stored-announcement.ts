import type { Announced } from "./announcer.ts";

/** SQL of what a breaker announced last, in the storage of its object. */

export function createAnnouncementTable(sql: SqlStorage): void {
  sql.exec(`CREATE TABLE IF NOT EXISTS announced (
      id INTEGER PRIMARY KEY CHECK (id = 1), name TEXT NOT NULL, taken TEXT NOT NULL,
      at INTEGER NOT NULL
    ) STRICT;`);
}

/** `name`: an object that its alarm wakes may not know its name. */
export function loadAnnounced(sql: SqlStorage): (Announced & { name: string }) | null {
  const [row] = sql
    .exec<{ name: string; taken: string; at: number }>("SELECT name, taken, at FROM announced")
    .toArray();
  return row ?? null;
}

export function saveAnnounced(sql: SqlStorage, name: string, { taken, at }: Announced): void {
  sql.exec(
    `INSERT INTO announced (id, name, taken, at) VALUES (1, ?1, ?2, ?3)
     ON CONFLICT (id) DO UPDATE SET taken = ?2, at = ?3`,
    name,
    taken,
    at,
  );
}
