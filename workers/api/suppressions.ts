import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import {
  deleteSuppression,
  findSuppressions,
  saveSuppression,
  type Suppression,
} from "../../shared/email/sql/suppressions.ts";
import { pageFrom } from "../../shared/http/lists.ts";
import { fail } from "../../shared/lib/base/result.ts";
import { json, noContent, type Handler } from "./call.ts";

/** Suppressed addresses, oldest first. `nextCursor` is present while more follow. */
export const listSuppressions: Handler<"listSuppressions"> = async ({ query, env }) => {
  const { limit, cursor, address } = query;
  const found = await readDatabase(env, () =>
    findSuppressions(env.DB, address ?? null, cursor ?? null, limit + 1),
  );
  if (!found.ok) return found;
  const { rows, ...next } = pageFrom(found.value, limit, (one) => one.createdAt);
  return json({ items: rows.map(suppressionAnswer), ...next });
};

/** Suppresses an address. Emails queued for it are no longer sent. */
export const suppress: Handler<"suppress"> = async ({ body: { note, ...rest }, env, now }) => {
  const write = () =>
    saveSuppression(env.DB, { ...rest, reason: "manual", note: note ?? null, createdAt: now });
  // Writing it twice has the effect of writing it once.
  const written = await writeDatabase(write, write);
  return written.ok ? json(suppressionAnswer(written.value), { status: 201 }) : written;
};

/** Lifts every suppression of an address. */
export const unsuppress: Handler<"unsuppress"> = async ({ params: { address }, env }) => {
  const gone = await writeDatabase(() => deleteSuppression(env.DB, address));
  if (!gone.ok) return gone;
  return gone.value ? noContent() : fail({ tag: "not-found", what: "suppression" });
};

function suppressionAnswer({ address, scope, reason, note, createdAt }: Suppression) {
  return {
    address,
    scope,
    reason,
    ...(note !== null && { note }),
    createdAt: new Date(createdAt).toISOString(),
  };
}
