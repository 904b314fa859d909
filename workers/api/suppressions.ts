import * as v from "valibot";
import * as contract from "../../shared/contract/emails.ts";
import { readDatabase } from "../../shared/database/read.ts";
import { writeDatabase } from "../../shared/database/write.ts";
import {
  deleteSuppression,
  listSuppressions,
  saveSuppression,
  type Suppression,
} from "../../shared/email/sql/suppressions.ts";
import { readJson } from "../../shared/http/body.ts";
import { pageFrom } from "../../shared/http/lists.ts";
import { fail, ok } from "../../shared/lib/base/result.ts";
import { validate } from "../../shared/lib/worker/validate.ts";
import { json, pathParam, type Handler } from "./call.ts";

/** Who gets no mail, oldest first. `nextCursor` is there while more follow. */
export const suppressions: Handler = async ({ url, env }) => {
  const query = validate(contract.listSuppressions.query, Object.fromEntries(url.searchParams));
  if (!query.ok) return query;
  const { limit, cursor, address: only } = query.value;
  const found = await readDatabase(env, () =>
    listSuppressions(env.DB, only ?? null, cursor ?? null, limit + 1),
  );
  if (!found.ok) return found;
  const { rows, ...next } = pageFrom(found.value, limit, (one) => one.createdAt);
  return json({ items: rows.map(view), ...next });
};

/** Suppresses an address by hand. What is queued for it is not sent any more. */
export const suppress: Handler = async ({ request, env, now }) => {
  const wanted = await readJson(request, contract.suppress.body);
  if (!wanted.ok) return wanted;
  const { note, ...rest } = wanted.value;
  const write = () =>
    saveSuppression(env.DB, { ...rest, reason: "manual", note: note ?? null, createdAt: now });
  // To write it twice is to write it once.
  const written = await writeDatabase(write, write);
  return written.ok ? json(view(written.value), { status: 201 }) : written;
};

/** Lifts every suppression of an address. */
export const unsuppress: Handler = async ({ params, env }) => {
  const wanted = validate(v.strictObject(contract.unsuppress.params), {
    address: pathParam(params, "address") ?? "",
  });
  if (!wanted.ok) return wanted;
  const gone = await writeDatabase(() => deleteSuppression(env.DB, wanted.value.address));
  if (!gone.ok) return gone;
  return gone.value
    ? ok(new Response(null, { status: 204 }))
    : fail({ tag: "not-found", what: "suppression" });
};

function view({ address: of, scope, reason, note, createdAt }: Suppression) {
  return {
    address: of,
    scope,
    reason,
    ...(note !== null && { note }),
    createdAt: new Date(createdAt).toISOString(),
  };
}
