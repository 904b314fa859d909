// What the release 47128d7 runs on the tables of emails, as it was released: its modules of SQL,
// bundled by esbuild. It is not edited.

// shared/database/batch.ts
async function runBatch(db, statements) {
  const named = Object.entries(statements);
  const replies = await db.batch(named.flatMap(([, group]) => group));
  let next = 0;
  const take = () => replies[next++];
  return Object.fromEntries(
    named.map(([name, group]) => [name, Array.isArray(group) ? group.map(() => take()) : take()]),
  );
}

// shared/email/rules/retry-policy.ts
var FIRST_NOTIFICATION_AFTER_MS = 6e4;
var MAX_NOTIFICATION_DOUBLINGS = 4;
function nextNotificationAt(dueAt, now, rings) {
  return (
    Math.max(dueAt, now) +
    FIRST_NOTIFICATION_AFTER_MS * 2 ** Math.min(rings, MAX_NOTIFICATION_DOUBLINGS)
  );
}

// shared/email/sql/columns.ts
var column = (name) => name;
var contentColumns = {
  from: column("from_address"),
  to: column("to_address"),
  replyTo: column("reply_to"),
  subject: column("subject"),
  html: column("html"),
  text: column("text"),
  attachments: column("attachments"),
};
var treatmentColumns = {
  onUnknown: column("on_unknown"),
  category: column("category"),
  tags: column("tags"),
};
var emailColumns = {
  ...{ ...contentColumns, ...treatmentColumns },
  id: column("id"),
  tenant: column("tenant"),
  traceId: column("trace_id"),
  status: column("status"),
  generation: column("generation"),
  generationAt: column("generation_at"),
  attempts: column("attempts"),
  dueAt: column("due_at"),
  ringAfter: column("ring_after"),
  rings: column("rings"),
  leaseExpiresAt: column("lease_expires_at"),
  transport: column("transport"),
  pinnedUntil: column("pinned_until"),
  lastError: column("last_error"),
  createdAt: column("created_at"),
  updatedAt: column("updated_at"),
  sentAt: column("sent_at"),
};
function pick(...fields) {
  return Object.fromEntries(fields.map((field) => [field, emailColumns[field]]));
}
function notNull(nullable) {
  return nullable;
}
function selectionOf(columns2) {
  return {
    list: (table) =>
      Object.entries(columns2)
        .map(([field, name]) => `${table === void 0 ? "" : `${table}.`}${name} AS "${field}"`)
        .join(", "),
    rows: (reply) => reply?.results ?? [],
  };
}
function insertRow(db, row, source) {
  const fields = Object.keys(row);
  const columns2 = fields.map((field) => emailColumns[field]).join(", ");
  const bound = fields.filter((field) => source === null || field !== "to");
  const values = fields.map((field) =>
    source !== null && field === "to" ? source.to : `?${bound.indexOf(field) + 1}`,
  );
  const from = source?.from.replaceAll(/\$(\d+)/g, (_, n) => `?${bound.length + Number(n)}`);
  return db
    .prepare(
      `INSERT INTO emails (${columns2}) SELECT ${values.join(", ")}
       ${from === void 0 ? "" : `FROM ${from}`}`,
    )
    .bind(...bound.map((field) => row[field]), ...(source?.values ?? []));
}
function toJson(value) {
  return JSON.stringify(value);
}
function fromJson(text) {
  return JSON.parse(text);
}

// shared/email/sql/emails.ts
function acceptedAs({ sendAt }, acceptedAt) {
  return sendAt !== void 0 && sendAt > acceptedAt ? "scheduled" : "queued";
}
function insertEmail(db, email, now, source = null) {
  const dueAt = Math.max(email.sendAt ?? now, now);
  const status = acceptedAs(email, now);
  const { attachments } = email;
  const row = {
    id: email.id,
    tenant: email.tenant,
    traceId: email.traceId ?? null,
    from: email.from,
    to: email.to,
    replyTo: email.replyTo ?? null,
    subject: email.subject,
    html: email.html ?? null,
    text: email.text ?? null,
    attachments: attachments === void 0 ? null : toJson(attachments),
    onUnknown: email.onUnknown,
    category: email.category ?? "transactional",
    tags: toJson(email.tags ?? []),
    status,
    dueAt,
    ringAfter: nextNotificationAt(dueAt, now, 0),
    generationAt: now,
    createdAt: now,
    updatedAt: now,
  };
  return [
    insertRow(db, row, source),
    db
      .prepare(
        `INSERT INTO email_events (email_id, generation, type, at)
         SELECT ?1, 1, ?3, ?2 ${source === null ? "" : "FROM emails WHERE id = ?1"}`,
      )
      .bind(email.id, now, status),
  ];
}
var stored = pick(
  "id",
  "tenant",
  "status",
  "to",
  "subject",
  "generation",
  "attempts",
  "onUnknown",
  "dueAt",
  "createdAt",
  "updatedAt",
  "sentAt",
  "lastError",
  "category",
  "tags",
  "traceId",
);
var storedSelection = selectionOf(stored);
function storedEmail(row) {
  return {
    ...row,
    lastError: row.lastError === null ? null : fromJson(row.lastError),
    tags: fromJson(row.tags),
  };
}
var isUnsent = "status IN ('scheduled', 'queued')";
var isTroubled = "status IN ('unknown', 'pinned', 'dead')";
async function findEmails(db, { tenant, status, to, before }, limit) {
  const conditions = [
    "(created_at, id) < (?1, ?2)",
    tenant === null ? "?3 IS NULL" : "tenant = ?3",
    to === null ? "?5 IS NULL" : "LOWER(to_address) = ?5",
    ...(status === null ? [] : [`status = '${status}'`]),
    ...(status === "scheduled" || status === "queued"
      ? [isUnsent]
      : status !== null && (tenant !== null || to !== null)
        ? [isTroubled]
        : []),
  ];
  const reply = await db
    .prepare(
      `SELECT ${storedSelection.list()} FROM emails WHERE ${conditions.join(" AND ")}
       ORDER BY created_at DESC, id DESC LIMIT ?4`,
    )
    .bind(
      before?.at ?? Number.MAX_SAFE_INTEGER,
      before?.id ?? "",
      tenant,
      limit,
      to?.toLowerCase() ?? null,
    )
    .all();
  return storedSelection.rows(reply).map(storedEmail);
}
async function findEmail(db, id) {
  const replies = await runBatch(db, {
    email: db.prepare(`SELECT ${storedSelection.list()} FROM emails WHERE id = ?1`).bind(id),
    events: db
      .prepare(
        "SELECT type, at, generation, detail FROM email_events WHERE email_id = ?1 ORDER BY id",
      )
      .bind(id),
  });
  const [row] = storedSelection.rows(replies.email);
  if (row === void 0) return null;
  return {
    email: storedEmail(row),
    events: replies.events.results.map(eventFrom),
  };
}
function eventFrom(row) {
  const event = { type: row.type, at: new Date(row.at).toISOString(), generation: row.generation };
  return row.detail === null ? event : { ...event, detail: JSON.parse(row.detail) };
}
async function emailBacklog(db, now) {
  const row = await db
    .prepare(
      `SELECT (SELECT COUNT(*) FROM emails WHERE status = 'scheduled') AS scheduled,
              (SELECT COUNT(*) FROM emails WHERE status = 'queued') AS queued,
              (SELECT COUNT(*) FROM emails WHERE status = 'pinned') AS pinned,
              (SELECT COUNT(*) FROM emails WHERE status = 'queued' AND due_at <= ?1) AS due,
              (SELECT MIN(due_at) FROM emails
               WHERE status = 'queued' AND due_at <= ?1) AS oldestDueAt,
              (SELECT MIN(due_at) FROM emails
               WHERE status = 'queued' AND due_at > ?1) AS nextDueAt,
              (SELECT COUNT(*) FROM emails WHERE status IN ('claimed', 'sending')) AS inFlight,
              (SELECT COUNT(*) FROM emails WHERE status = 'unknown') AS unknown,
              (SELECT COUNT(*) FROM dead_letters) AS dead`,
    )
    .bind(now)
    .first();
  return (
    row ?? {
      scheduled: 0,
      pinned: 0,
      queued: 0,
      due: 0,
      oldestDueAt: null,
      nextDueAt: null,
      inFlight: 0,
      unknown: 0,
      dead: 0,
    }
  );
}

// shared/email/sql/ended-tenants.ts
var FOR_EVER = Number.MAX_SAFE_INTEGER;
var tenantHasEnded = `EXISTS (SELECT 1 FROM ended_tenants t
  WHERE t.tenant = e.tenant AND t.ended_until >= e.generation_at)`;
async function cancelUnsent(db, { tenant, endedUntil }, now, limit) {
  const page = `SELECT id FROM emails
    WHERE tenant = ?1 AND status IN ('scheduled', 'queued') AND generation_at <= ?2
    ORDER BY status, created_at, id LIMIT ?4`;
  const { cancelled } = await runBatch(db, {
    events: db
      .prepare(
        `INSERT INTO email_events (email_id, generation, type, at)
         SELECT id, generation, 'cancelled', ?3 FROM emails WHERE id IN (${page})`,
      )
      .bind(tenant, endedUntil, now, limit),
    cancelled: db
      .prepare(`UPDATE emails SET status = 'cancelled', updated_at = ?3 WHERE id IN (${page})`)
      .bind(tenant, endedUntil, now, limit),
  });
  return cancelled.meta.changes;
}

// shared/email/sql/claim.ts
var dueColumns = selectionOf(pick("id", "generation", "dueAt"));
var claimedFields = pick(
  "id",
  "generation",
  "attempts",
  "onUnknown",
  "category",
  "dueAt",
  "traceId",
  "transport",
  "pinnedUntil",
);
var claimedColumns = selectionOf(claimedFields);
function claimedOf({ transport, pinnedUntil, ...email }) {
  return {
    ...email,
    pinned:
      transport === null || pinnedUntil === null ? null : { to: transport, until: pinnedUntil },
  };
}
var suppressedDetail = JSON.stringify({
  transport: "none",
  phase: "suppression",
  text: "the recipient is suppressed",
});
var endedDetail = JSON.stringify({
  transport: "none",
  phase: "tenant",
  text: "the tenant has ended",
});
var recipientIsSuppressed = `EXISTS (SELECT 1 FROM suppressions s
  WHERE s.address = LOWER(e.to_address)
    AND (s.scope = 'all' OR e.category <> 'transactional'))`;
function asJson(notifications) {
  return JSON.stringify(notifications.map(({ emailId: id, generation }) => ({ id, generation })));
}
var notified = `json_each(?1) n JOIN emails e
  ON e.id = n.value ->> 'id' AND e.generation = n.value ->> 'generation'`;
var EARLY_MS = 6e4;
var selectEarly = `SELECT ${dueColumns.list()} FROM emails
  WHERE id IN (SELECT e.id FROM ${notified} WHERE e.status IN ('scheduled', 'queued', 'pinned'))
    AND due_at > ?2 + ${EARLY_MS}`;
var notifiedScheduled = `SELECT e.id FROM ${notified}
  WHERE e.status = 'scheduled' AND e.due_at <= ?2`;
async function claim(
  db,
  { notifications, token, now, leaseExpiresAt, open, limit = notifications.length },
) {
  const named = asJson(notifications);
  const stopped = `SELECT e.id FROM ${notified} WHERE e.status IN ('queued', 'pinned')
    AND (${tenantHasEnded} OR ${recipientIsSuppressed})`;
  const stoppedAs = `CASE WHEN e.status = 'pinned' THEN 'unknown'
    WHEN ${tenantHasEnded} THEN 'cancelled' ELSE 'suppressed' END`;
  const because = `CASE WHEN ${tenantHasEnded} THEN ?3 ELSE ?4 END`;
  const due = `SELECT e.id FROM ${notified} WHERE e.due_at <= ?2
    AND (e.status = 'queued' OR (e.status = 'pinned'
      AND e.transport IN (SELECT value FROM json_each(?4))))
    ORDER BY e.due_at, e.id LIMIT ?3`;
  const openNames = JSON.stringify(open);
  const replies = await runBatch(db, {
    promote: promote(db, notifiedScheduled, named, now),
    stoppedEvents: db
      .prepare(
        `INSERT INTO email_events (email_id, generation, type, at, detail)
         SELECT e.id, e.generation, ${stoppedAs}, ?2, ${because} FROM emails e
         WHERE e.id IN (${stopped})`,
      )
      .bind(named, now, endedDetail, suppressedDetail),
    stop: db
      .prepare(
        `UPDATE emails AS e SET status = ${stoppedAs}, pinned_until = NULL,
           last_error = ${because}, updated_at = ?2 WHERE id IN (${stopped})`,
      )
      .bind(named, now, endedDetail, suppressedDetail),
    claimedEvents: db
      .prepare(
        `INSERT INTO email_events (email_id, generation, type, at)
         SELECT id, generation, 'claimed', ?2 FROM emails WHERE id IN (${due})`,
      )
      .bind(named, now, limit, openNames),
    claimed: db
      .prepare(
        `UPDATE emails SET status = 'claimed', lease_token = ?5, lease_expires_at = ?6,
           updated_at = ?2 WHERE id IN (${due}) RETURNING ${claimedColumns.list()}`,
      )
      .bind(named, now, limit, openNames, token, leaseExpiresAt),
    early: db.prepare(selectEarly).bind(named, now),
  });
  return {
    claimed: claimedColumns.rows(replies.claimed).map(claimedOf),
    early: dueColumns.rows(replies.early),
  };
}
async function claimedBy(db, token) {
  const reply = await db
    .prepare(
      `SELECT ${claimedColumns.list()} FROM emails WHERE lease_token = ?1 AND status = 'claimed'`,
    )
    .bind(token)
    .all();
  return claimedColumns.rows(reply).map(claimedOf);
}
async function postpone(db, { notifications, until, detail, now }) {
  const named = asJson(notifications);
  const replies = await runBatch(db, {
    promote: promote(db, notifiedScheduled, named, now),
    early: db.prepare(selectEarly).bind(named, now),
    postponed: db
      .prepare(
        `UPDATE emails SET due_at = ?3, ring_after = ?4, rings = 0, last_error = ?5, updated_at = ?2
         WHERE id IN (SELECT e.id FROM ${notified}
                      WHERE e.status IN ('queued', 'pinned') AND e.due_at <= ?2)
         RETURNING ${dueColumns.list()}`,
      )
      .bind(named, now, until, nextNotificationAt(until, now, 0), detail),
  });
  return [...dueColumns.rows(replies.early), ...dueColumns.rows(replies.postponed)];
}
async function promoteDue(db, now, limit) {
  const scheduled = `SELECT id FROM emails WHERE status = 'scheduled' AND due_at <= ?2
                     ORDER BY due_at, id LIMIT ?1`;
  await db.batch(promote(db, scheduled, limit, now));
}
function promote(db, selected, first, now) {
  return [
    db
      .prepare(
        `INSERT INTO email_events (email_id, generation, type, at)
         SELECT id, generation, 'queued', ?2 FROM emails WHERE id IN (${selected})`,
      )
      .bind(first, now),
    db
      .prepare(`UPDATE emails SET status = 'queued', updated_at = ?2 WHERE id IN (${selected})`)
      .bind(first, now),
  ];
}

// shared/email/sql/pace.ts
var MAX_WAIT_MS = 5e3;
var MAX_AHEAD_MS = 6e4;
var freeAt = `CASE WHEN free_at > ?2 + ${MAX_AHEAD_MS} THEN ?2 ELSE MAX(free_at, ?2) END`;
function reserveRate(db, { transport, emails, everyMs, grant }, now) {
  const spanMs = Math.ceil(emails * everyMs);
  return db
    .prepare(
      `INSERT INTO transport_pace (transport, free_at, granted_to) VALUES (?1, ?2 + ?3, ?4)
       ON CONFLICT (transport) DO UPDATE SET free_at = ${freeAt} + ?3, granted_to = ?4
       WHERE granted_to <> ?4 AND ${freeAt} <= ?2 + ?5`,
    )
    .bind(transport, now, spanMs, grant, MAX_WAIT_MS);
}
var hasReservation = (transport, grant) => `EXISTS (SELECT 1 FROM transport_pace p
           WHERE p.transport = ${transport} AND p.granted_to = ${grant})`;
function readPace(db, transports) {
  return db
    .prepare(
      `SELECT transport, free_at AS freeAt, granted_to AS grantedTo FROM transport_pace
       WHERE transport IN (SELECT value FROM json_each(?1))`,
    )
    .bind(JSON.stringify(transports));
}

// shared/email/sql/sent-usage.ts
var COUNTER = "emailsSent";
var USER = "user:";
function countSent(db, accepted, now) {
  const { from, condition, bound } = accepted;
  const place = `?${bound.length + 1}`;
  return db
    .prepare(
      `INSERT INTO usage_metrics (user_id, metric, amount, updated_at)
       SELECT u.user_id, '${COUNTER}', COUNT(*), ${place} FROM ${from}
         JOIN users AS u ON u.user_id = SUBSTR(e.tenant, ${USER.length + 1})
       WHERE ${condition} AND SUBSTR(e.tenant, 1, ${USER.length}) = '${USER}'
         AND u.deleted_at IS NULL
       GROUP BY u.user_id
       ON CONFLICT (user_id, metric) DO UPDATE
         SET amount = amount + excluded.amount, updated_at = excluded.updated_at`,
    )
    .bind(...bound, now);
}

// shared/email/sql/settle.ts
var guards = {
  /**
   * A late outcome of the same lease resolves an email that the sweeper had to call `unknown`. A
   * claimed one is put back.
   */
  lease: `+e.lease_token = ?3 AND (e.status = 'sending'
    OR (e.status = 'unknown' AND o.value ->> 'status' NOT IN ('unknown', 'pinned'))
    OR (e.status = 'claimed' AND o.value ->> 'putBack' = 1))`,
  leaseExpired: "e.status IN ('claimed', 'sending') AND e.lease_expires_at <= ?3",
  pinEnded: "e.status = 'pinned' AND e.pinned_until <= ?3",
};
function settleUnderLease(db, settled, token, now) {
  const rows = settled.map((one) =>
    settledRow(one, now, (dueAt) => nextNotificationAt(dueAt, now, 0)),
  );
  return settle(db, rows, { sql: guards.lease, value: token }, now);
}
function settleEnded(db, settled, ended, now) {
  const rows = settled.map((one) => settledRow(one, now, (dueAt) => dueAt));
  return settle(db, rows, { sql: guards[ended], value: now }, now);
}
function settle(db, rows, guard, now) {
  if (rows.length === 0) return [];
  const outcomes = JSON.stringify(rows);
  const from = "json_each(?1) AS o";
  const matching = `e.id = o.value ->> 'id' AND e.generation = o.value ->> 'generation'
    AND ${guard.sql}`;
  const sent = {
    from: `${from} CROSS JOIN emails AS e ON ${matching}`,
    condition: "o.value ->> 'status' = 'sent'",
    bound: [outcomes, now, guard.value],
  };
  return [
    ...(rows.some(({ status }) => status === "sent") ? [countSent(db, sent, now)] : []),
    db
      .prepare(
        `INSERT INTO email_events (email_id, generation, type, at, detail)
         SELECT e.id, e.generation, o.value ->> 'status', ?2, o.value ->> 'detail'
         FROM ${from} JOIN emails AS e ON ${matching}`,
      )
      .bind(outcomes, now, guard.value),
    db
      .prepare(
        `UPDATE emails AS e SET
           status = o.value ->> 'status',
           attempts = o.value ->> 'attempts',
           due_at = COALESCE(o.value ->> 'dueAt', e.due_at),
           ring_after = COALESCE(o.value ->> 'ringAfter', e.ring_after),
           rings = 0,
           dead_reason = o.value ->> 'reason',
           last_error = CASE WHEN o.value ->> 'status' = 'sent' THEN NULL
                             ELSE o.value ->> 'detail' END,
           sent_at = CASE WHEN o.value ->> 'status' = 'sent' THEN ?2 END,
           pinned_until = o.value ->> 'pinnedUntil',
           transport = CASE WHEN o.value ->> 'status' = 'queued' THEN NULL ELSE e.transport END,
           provider_id = COALESCE(o.value ->> 'providerId', e.provider_id),
           lease_token = CASE WHEN o.value ->> 'status' = 'unknown' THEN e.lease_token END,
           lease_expires_at = NULL,
           updated_at = ?2
         FROM ${from} WHERE ${matching}`,
      )
      .bind(outcomes, now, guard.value),
  ];
}
function settledRow({ id, generation, settlement, detail, putBack = false }, now, notifyAt) {
  const row = {
    id,
    generation,
    status: settlement.status,
    attempts: settlement.attempts,
    detail: JSON.stringify(detail),
    putBack,
    ...(detail.providerId !== void 0 && { providerId: detail.providerId }),
  };
  switch (settlement.status) {
    case "queued":
      return { ...row, dueAt: settlement.dueAt, ringAfter: notifyAt(settlement.dueAt) };
    case "pinned":
      return {
        ...row,
        dueAt: settlement.dueAt,
        ringAfter: notifyAt(settlement.dueAt),
        pinnedUntil: settlement.pinnedUntil,
      };
    case "dead":
      return { ...row, reason: settlement.reason, ringAfter: notifyAt(now) };
    case "sent":
    case "unknown":
      return row;
  }
}

// shared/email/sql/delivery.ts
var handOverFields = {
  ...contentColumns,
  ...pick("id", "generation", "generationAt", "attempts", "onUnknown", "category", "traceId"),
  ...pick("pinnedUntil"),
  leaseExpiresAt: notNull(emailColumns.leaseExpiresAt),
  transport: notNull(emailColumns.transport),
};
var handOverColumns = selectionOf(handOverFields);
async function recordAndMarkSending(
  db,
  { token, settled, marks, reservations, now, leaseExpiresAt },
) {
  const grants = new Map(reservations.map(({ transport, grant }) => [transport, grant]));
  const next = JSON.stringify(
    marks.map(({ id, transport, failover }) => ({
      id,
      transport,
      from: failover?.from ?? null,
      grant: grants.get(transport) ?? null,
      detail: JSON.stringify(
        failover === null ? { transport } : { transport, failedOver: failover.refusal },
      ),
    })),
  );
  const marked = `json_each(?1) AS m ON e.id = m.value ->> 'id' AND +e.lease_token = ?3
    AND (CASE WHEN m.value ->> 'from' IS NULL THEN e.status = 'claimed'
              ELSE e.status = 'sending' AND e.transport = m.value ->> 'from' END)
    AND (m.value ->> 'grant' IS NULL
         OR ${hasReservation("m.value ->> 'transport'", "m.value ->> 'grant'")})`;
  const replies = await runBatch(db, {
    settle: settleUnderLease(db, settled, token, now),
    reserve: reservations.map((reservation) => reserveRate(db, reservation, now)),
    sendingEvents: db
      .prepare(
        `INSERT INTO email_events (email_id, generation, type, at, detail)
         SELECT e.id, e.generation, 'sending', ?2, m.value ->> 'detail'
         FROM emails AS e JOIN ${marked}`,
      )
      .bind(next, now, token),
    mark: db
      .prepare(
        `UPDATE emails SET status = 'sending', attempts = attempts + m.claimed,
           transport = m.transport, lease_expires_at = ?4, updated_at = ?2
         FROM (SELECT e.id AS id, e.status = 'claimed' AS claimed,
                      m.value ->> 'transport' AS transport FROM emails AS e JOIN ${marked}) AS m
         WHERE emails.id = m.id`,
      )
      .bind(next, now, token, leaseExpiresAt),
    pace: readPace(db, [...grants.keys()]),
    emails: db
      .prepare(
        `SELECT ${handOverColumns.list("e")} FROM json_each(?1) AS m
         JOIN emails AS e ON e.id = m.value ->> 'id' AND e.transport = m.value ->> 'transport'
         WHERE +e.lease_token = ?2 AND e.status = 'sending'`,
      )
      .bind(next, token),
  });
  return {
    emails: handOverColumns.rows(replies.emails),
    pace: replies.pace.results,
  };
}

// shared/email/sql/cancel.ts
async function cancelQueued(db, id, tenant, now) {
  const queued = "id = ?1 AND status IN ('scheduled', 'queued') AND (?2 IS NULL OR tenant = ?2)";
  const replies = await runBatch(db, {
    event: db
      .prepare(
        `INSERT INTO email_events (email_id, generation, type, at)
         SELECT id, generation, 'cancelled', ?3 FROM emails WHERE ${queued}`,
      )
      .bind(id, tenant, now),
    cancelled: db
      .prepare(`UPDATE emails SET status = 'cancelled', updated_at = ?3 WHERE ${queued}`)
      .bind(id, tenant, now),
    found: db
      .prepare("SELECT status FROM emails WHERE id = ?1 AND (?2 IS NULL OR tenant = ?2)")
      .bind(id, tenant),
  });
  const row = replies.found.results[0];
  if (row === void 0) return null;
  return replies.cancelled.meta.changes > 0 || row.status === "cancelled"
    ? { cancelled: true }
    : { cancelled: false, status: row.status };
}

// shared/email/sql/dead-letters.ts
var DAY_MS = 864e5;
async function recordDeadLetters(db, emails, retentionDays, now) {
  const named = JSON.stringify(emails);
  const matching = `SELECT e.id FROM json_each(?1) d
    JOIN emails e ON e.id = d.value ->> 'id' AND e.generation = d.value ->> 'generation'
    WHERE e.status = 'dead' AND e.buried_at IS NULL`;
  await db.batch([
    db
      .prepare(
        `INSERT INTO dead_letters
           (id, kind, generation, reason, last_error, attempts, buried_at, expires_at)
         SELECT id, 'email', generation, dead_reason, last_error, attempts, ?2, ?3
         FROM emails WHERE id IN (${matching})`,
      )
      .bind(named, now, now + retentionDays * DAY_MS),
    db.prepare(`UPDATE emails SET buried_at = ?2 WHERE id IN (${matching})`).bind(named, now),
  ]);
}
var matchesRest = `(?1 ->> 'kind' IS NULL OR d.kind = ?1 ->> 'kind')
  AND (?1 ->> 'reason' IS NULL OR d.reason = ?1 ->> 'reason')
  AND (?1 ->> 'tenant' IS NULL OR e.tenant = ?1 ->> 'tenant')
  AND (?1 ->> 'buriedBefore' IS NULL OR d.buried_at < ?1 ->> 'buriedBefore')`;
var deadLettersOf = ({ to }, join) =>
  to === void 0
    ? `dead_letters d ${join} JOIN emails e ON e.id = d.id WHERE ${matchesRest}`
    : `emails e CROSS JOIN dead_letters d ON d.id = e.id
       WHERE LOWER(e.to_address) = LOWER(?1 ->> 'to') AND e.status = 'dead' AND e.${isTroubled}
         AND ${matchesRest}`;
var deadLetterColumns = `d.id, d.kind, d.generation, d.reason,
  d.last_error AS lastError, d.attempts, e.to_address AS "to", e.subject,
  d.raw_body AS rawBody, d.buried_at AS buriedAt, d.expires_at AS expiresAt`;
function deadLetter(row) {
  return {
    ...row,
    lastError: row.lastError === null ? null : JSON.parse(row.lastError),
  };
}
async function findDeadLetters(db, filter, after, limit) {
  const { results } = await db
    .prepare(
      `SELECT ${deadLetterColumns} FROM ${deadLettersOf(filter, "LEFT")}
         AND (d.buried_at, d.id) > (?2, ?3) ORDER BY d.buried_at, d.id LIMIT ?4`,
    )
    .bind(JSON.stringify(filter), after?.at ?? 0, after?.id ?? "", limit)
    .all();
  return results.map(deadLetter);
}
async function oldestDeadEmails(db, filter, limit) {
  const { results } = await db
    .prepare(
      `SELECT d.id FROM ${deadLettersOf(filter, "CROSS")} AND d.kind = 'email'
       ORDER BY d.buried_at, d.id LIMIT ?2`,
    )
    .bind(JSON.stringify(filter), limit)
    .all();
  return results.map((row) => row.id);
}
async function saveDiscard(db, id, now) {
  const replies = await runBatch(db, {
    event: db
      .prepare(
        `INSERT INTO email_events (email_id, generation, type, at)
         SELECT e.id, e.generation, 'discarded', ?2
         FROM dead_letters d JOIN emails e ON e.id = d.id WHERE d.id = ?1 AND e.status = 'dead'`,
      )
      .bind(id, now),
    email: db
      .prepare(
        `UPDATE emails SET status = 'discarded', updated_at = ?2
         WHERE status = 'dead' AND id IN (SELECT id FROM dead_letters WHERE id = ?1)`,
      )
      .bind(id, now),
    deleted: db.prepare("DELETE FROM dead_letters WHERE id = ?1").bind(id),
  });
  return replies.deleted.meta.changes > 0;
}
var requeued = selectionOf(pick("id", "generation", "attempts", "dueAt"));
async function replay(db, ids, everyMs, now) {
  const wanted = JSON.stringify(ids);
  const times = JSON.stringify(
    ids.map((id, n) => {
      const dueAt = Math.floor(now + n * everyMs);
      return { id, dueAt, ringAfter: nextNotificationAt(dueAt, now, 0) };
    }),
  );
  const dead = "status = 'dead' AND id IN (SELECT value FROM json_each(?1))";
  const replies = await runBatch(db, {
    refused: db
      .prepare(
        `SELECT id, status, attempts FROM emails
         WHERE status <> 'dead' AND id IN (SELECT value FROM json_each(?1))`,
      )
      .bind(wanted),
    events: db
      .prepare(
        `INSERT INTO email_events (email_id, generation, type, at, detail)
         SELECT id, generation + 1, 'queued', ?2, '{"replayed":true}' FROM emails WHERE ${dead}`,
      )
      .bind(wanted, now),
    deadLetters: db
      .prepare(`DELETE FROM dead_letters WHERE id IN (SELECT id FROM emails WHERE ${dead})`)
      .bind(wanted),
    requeued: db
      .prepare(
        `UPDATE emails SET status = 'queued', generation = generation + 1, generation_at = ?2,
           attempts = 0, transport = NULL, pinned_until = NULL, provider_id = NULL,
           due_at = t.value ->> 'dueAt', ring_after = t.value ->> 'ringAfter', rings = 0,
           buried_at = NULL, dead_reason = NULL, updated_at = ?2
         FROM json_each(?1) AS t WHERE emails.id = t.value ->> 'id' AND status = 'dead'
         RETURNING ${requeued.list("emails")}`,
      )
      .bind(times, now),
  });
  return {
    requeued: requeued.rows(replies.requeued),
    refused: replies.refused.results,
  };
}

// shared/email/sql/expiry.ts
var expiredFields = {
  ...pick("id", "generation", "attempts", "onUnknown", "pinnedUntil"),
  status: "status",
  // Releases before several transports had only SMTP, and stored no name.
  transport: "COALESCE(transport, 'smtp')",
  leaseExpiresAt: notNull(emailColumns.leaseExpiresAt),
};
var expired = selectionOf(expiredFields);
async function expiredLeases(db, now, limit) {
  const reply = await db
    .prepare(
      `SELECT ${expired.list()} FROM emails
       WHERE status IN ('claimed', 'sending') AND lease_expires_at <= ?1
       ORDER BY lease_expires_at LIMIT ?2`,
    )
    .bind(now, limit)
    .all();
  return expired.rows(reply);
}
async function settleExpired(db, settled, now) {
  if (settled.length > 0) await db.batch(settleEnded(db, settled, "leaseExpired", now));
}
var pinnedFields = {
  ...pick("id", "generation", "attempts", "onUnknown"),
  transport: notNull(emailColumns.transport),
  pinnedUntil: notNull(emailColumns.pinnedUntil),
};
var pinned = selectionOf(pinnedFields);
async function forgottenPins(db, now, limit) {
  const reply = await db
    .prepare(
      `SELECT ${pinned.list()} FROM emails
       WHERE status = 'pinned' AND pinned_until <= ?1 ORDER BY pinned_until LIMIT ?2`,
    )
    .bind(now, limit)
    .all();
  return pinned.rows(reply);
}
async function settleForgotten(db, settled, now) {
  if (settled.length > 0) await db.batch(settleEnded(db, settled, "pinEnded", now));
}

// shared/email/rules/transitions.ts
var transitions = {
  scheduled: ["queued", "cancelled"],
  queued: ["claimed", "suppressed", "cancelled"],
  // A provider's feedback may come before its answer was recorded, and while the email waits to be
  // asked about again.
  pinned: ["claimed", "queued", "unknown", "dead", "sent", "delivered", "bounced", "complained"],
  claimed: [
    "sending",
    "queued",
    "pinned",
    "unknown",
    "dead",
    "sent",
    "delivered",
    "bounced",
    "complained",
  ],
  sending: [
    "sending",
    "sent",
    "queued",
    "pinned",
    "unknown",
    "dead",
    "delivered",
    "bounced",
    "complained",
  ],
  sent: ["delivered", "bounced", "complained"],
  delivered: ["bounced", "complained"],
  bounced: [],
  complained: [],
  unknown: ["sent", "queued", "dead", "delivered", "bounced", "complained"],
  // By a replay, as the next generation; or the provider reports that it has left after all.
  dead: ["queued", "discarded", "sent", "delivered", "bounced", "complained"],
  discarded: [],
  cancelled: [],
  suppressed: [],
};
function afterFeedback(status, feedback) {
  const next = meaning(status, feedback);
  return next !== status && transitions[status].includes(next) ? next : null;
}
function meaning(status, feedback) {
  switch (feedback) {
    case "accepted":
      return "sent";
    case "failed":
      return status === "sent" ? "bounced" : "dead";
    case "delivered":
    case "bounced":
    case "complained":
      return feedback;
  }
}

// shared/email/sql/feedback.ts
var columns = selectionOf(pick("id", "generation", "status", "transport"));
var MAX_TRIES = 5;
async function takeFeedback(db, message, now) {
  const { provider, report } = message;
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const { row, repeated } = await look(db, message);
    if (repeated) return { taken: "repeated" };
    if (row === null) return { taken: "unknown-mail" };
    const isCurrent =
      row.transport === provider &&
      (report.email === null || report.email.generation === row.generation);
    const next = isCurrent ? afterFeedback(row.status, report.feedback) : null;
    if (await apply(db, { ...message, row, next, now }))
      return { taken: "applied", id: row.id, status: next ?? row.status, changed: next !== null };
  }
  throw new Error("the email changed each time after it was read");
}
async function look(db, { provider, messageId, report: { email, providerId } }) {
  const replies = await runBatch(db, {
    known: db
      .prepare("SELECT 1 FROM webhook_messages WHERE provider = ?1 AND message_id = ?2")
      .bind(provider, messageId),
    email:
      email === null
        ? db
            .prepare(
              `SELECT ${columns.list()} FROM emails WHERE provider_id = ?1 AND transport = ?2`,
            )
            .bind(providerId, provider)
        : db.prepare(`SELECT ${columns.list()} FROM emails WHERE id = ?1`).bind(email.id),
  });
  return {
    row: columns.rows(replies.email)[0] ?? null,
    repeated: replies.known.results.length > 0,
  };
}
async function apply(db, { provider, messageId, report, row, next, now }) {
  const { providerId, suppress, detail } = report;
  const { id, generation, status } = row;
  const unchanged = "emails.id = ?1 AND emails.generation = ?2 AND emails.status = ?3";
  const replies = await runBatch(db, {
    remembered: db
      .prepare(
        `INSERT INTO webhook_messages (provider, message_id, received_at)
         SELECT ?4, ?5, ?6 FROM emails WHERE ${unchanged}
         ON CONFLICT (provider, message_id) DO NOTHING`,
      )
      .bind(id, generation, status, provider, messageId, now),
    suppress:
      suppress === null
        ? []
        : [
            db
              .prepare(
                `INSERT INTO suppressions (address, scope, reason, note, created_at)
                 SELECT LOWER(to_address), 'all', ?4, ?5, ?6 FROM emails WHERE ${unchanged}
                 ON CONFLICT (address, scope) DO NOTHING`,
              )
              .bind(id, generation, status, suppress, detail.text, now),
          ],
    change:
      next === null
        ? []
        : changeStatus(db, {
            unchanged,
            row,
            next,
            details: JSON.stringify({ ...detail, providerId }),
            providerId,
            now,
          }),
  });
  return replies.remembered.meta.changes > 0;
}
function changeStatus(
  db,
  { unchanged, row: { id, generation, status }, next, details, providerId, now },
) {
  const sent = {
    from: "emails AS e",
    condition: "e.id = ?1 AND e.generation = ?2 AND e.status = ?3 AND e.sent_at IS NULL",
    bound: [id, generation, status],
  };
  return [
    // Each other feedback proves that the provider had accepted the email.
    ...(next === "dead" ? [] : [countSent(db, sent, now)]),
    db
      .prepare(
        `INSERT INTO email_events (email_id, generation, type, at, detail)
         SELECT id, generation, ?4, ?5, ?6 FROM emails WHERE ${unchanged}`,
      )
      .bind(id, generation, status, next, now, details),
    db
      .prepare(
        `DELETE FROM dead_letters
         WHERE id IN (SELECT id FROM emails WHERE ${unchanged} AND status = 'dead')`,
      )
      .bind(id, generation, status),
    db
      .prepare(
        `UPDATE emails SET status = ?4, lease_token = NULL, lease_expires_at = NULL,
           pinned_until = NULL, provider_id = ?6, updated_at = ?5,
           buried_at = NULL, rings = 0, ring_after = ?5,
           last_error = CASE WHEN ?4 IN ('sent', 'delivered') THEN NULL ELSE ?7 END,
           dead_reason = CASE WHEN ?4 = 'dead' THEN 'permanent' END,
           sent_at = CASE WHEN ?4 = 'dead' THEN NULL ELSE COALESCE(sent_at, ?5) END
         WHERE ${unchanged}`,
      )
      .bind(id, generation, status, next, now, providerId, details),
  ];
}

// shared/email/sql/idempotency-keys.ts
function insertIdempotencyKey(db, record, now) {
  return [
    db
      .prepare("DELETE FROM idempotency_keys WHERE tenant = ?1 AND key = ?2 AND expires_at <= ?3")
      .bind(record.tenant, record.key, now),
    db
      .prepare(
        `INSERT INTO idempotency_keys (tenant, key, request_hash, email_id, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5)`,
      )
      .bind(record.tenant, record.key, record.requestHash, record.emailId, record.expiresAt),
  ];
}
async function findIdempotencyKey(db, tenant, key, now) {
  return await db
    .prepare(
      `SELECT k.request_hash AS requestHash, k.email_id AS emailId, e.created_at AS acceptedAt
       FROM idempotency_keys k JOIN emails e ON e.id = k.email_id
       WHERE k.tenant = ?1 AND k.key = ?2 AND k.expires_at > ?3`,
    )
    .bind(tenant, key, now)
    .first();
}

// shared/email/sql/notifications.ts
var overdue = selectionOf(pick("id", "generation", "rings"));
async function notifySoon(db, ids, now) {
  await db
    .prepare(
      `UPDATE emails SET ring_after = MAX(due_at, ?2)
       WHERE status IN ('scheduled', 'queued', 'pinned')
         AND id IN (SELECT value FROM json_each(?1))`,
    )
    .bind(JSON.stringify(ids), now)
    .run();
}
async function emailsToNotify(db, now, limit) {
  const reply = await db
    .prepare(
      `SELECT ${overdue.list()} FROM emails
       WHERE status IN ('queued', 'pinned') AND ring_after <= ?1 ORDER BY ring_after LIMIT ?2`,
    )
    .bind(now, limit)
    .all();
  return overdue.rows(reply);
}
async function dueEmails(db, now, limit) {
  const reply = await db
    .prepare(
      `SELECT ${overdue.list()} FROM emails
       WHERE status IN ('queued', 'pinned') AND due_at <= ?1 ORDER BY due_at LIMIT ?2`,
    )
    .bind(now, limit)
    .all();
  return overdue.rows(reply);
}
async function missingDeadLetters(db, now, limit) {
  const reply = await db
    .prepare(
      `SELECT ${overdue.list()} FROM emails
       WHERE status = 'dead' AND buried_at IS NULL AND ring_after <= ?1
       ORDER BY ring_after LIMIT ?2`,
    )
    .bind(now, limit)
    .all();
  return overdue.rows(reply);
}
async function recordNotifications(db, emails, now) {
  if (emails.length === 0) return;
  const notified2 = emails.map(({ id, generation, rings }) => ({
    id,
    generation,
    rings: rings + 1,
    ringAfter: nextNotificationAt(now, now, rings + 1),
  }));
  await db
    .prepare(
      `UPDATE emails AS e SET rings = n.value ->> 'rings', ring_after = n.value ->> 'ringAfter'
       FROM json_each(?1) AS n
       WHERE e.id = n.value ->> 'id' AND e.generation = n.value ->> 'generation'
         AND e.ring_after <= ?2 AND e.status IN ('queued', 'pinned', 'dead')`,
    )
    .bind(JSON.stringify(notified2), now)
    .run();
}

// shared/email/sql/unknown.ts
async function resolveUnknown(db, id, resolution, now) {
  const again = resolution === "queued";
  const sent = {
    from: "emails AS e",
    condition: "e.id = ?1 AND e.status IN ('unknown', 'pinned')",
    bound: [id],
  };
  const replies = await runBatch(db, {
    count: resolution === "sent" ? [countSent(db, sent, now)] : [],
    event: db
      .prepare(
        `INSERT INTO email_events (email_id, generation, type, at, detail)
         SELECT id, generation + ?4, ?2, ?3, '{"resolvedBy":"operator"}' FROM emails
         WHERE id = ?1 AND status IN ('unknown', 'pinned')`,
      )
      .bind(id, resolution, now, again ? 1 : 0),
    resolved: db
      .prepare(
        `UPDATE emails SET status = ?2, generation = generation + ?4, lease_token = NULL,
           transport = CASE WHEN ?2 = 'queued' THEN NULL ELSE transport END, pinned_until = NULL,
           provider_id = CASE WHEN ?2 = 'queued' THEN NULL ELSE provider_id END,
           updated_at = ?3, rings = 0, ring_after = ?5,
           generation_at = CASE WHEN ?2 = 'queued' THEN ?3 ELSE generation_at END,
           due_at = CASE WHEN ?2 = 'queued' THEN ?3 ELSE due_at END,
           attempts = CASE WHEN ?2 = 'queued' THEN 0 ELSE attempts END,
           sent_at = CASE WHEN ?2 = 'sent' THEN ?3 END,
           last_error = CASE WHEN ?2 = 'sent' THEN NULL ELSE last_error END,
           dead_reason = CASE WHEN ?2 = 'dead' THEN 'operator' END
         WHERE id = ?1 AND status IN ('unknown', 'pinned') RETURNING id, status, generation`,
      )
      .bind(id, resolution, now, again ? 1 : 0, again ? nextNotificationAt(now, now, 0) : now),
  });
  const [resolved] = replies.resolved.results;
  return resolved ?? null;
}

// shared/lib/base/clock.ts
var DAY_MS2 = 864e5;

// shared/alerts/rules/conditions.ts
var MINUTE_MS = 6e4;
var EARLY_MS2 = 1e4;
var BREAKER_OPEN_MS = 5 * MINUTE_MS - EARLY_MS2;
var BREAKER_WINDOW_MS = 10 * MINUTE_MS;
var SHARE_RUNS = 4;
var MAX_SHARE_RUNS = 40;
function streakRuns(failures) {
  return Math.max(failures, Math.min(SHARE_RUNS * failures, MAX_SHARE_RUNS));
}

// shared/alerts/sql/facts.ts
var RECENT_MS = 12e4;
var selectStreaks = `SELECT t.value AS task,
    (SELECT json_group_array(status) FROM (
       SELECT iif(status = 'running', 'failure', status) AS status FROM task_runs
       WHERE task = t.value AND (status IN ('success', 'failure')
                                 OR (status = 'running' AND lease_expires_at <= ?3))
       ORDER BY started_at DESC LIMIT ?2)) AS statuses
  FROM json_each(?1) AS t`;
var selectFailed = `SELECT r.task FROM task_runs r
  WHERE r.status = 'failure' AND r.execution_id = (
    SELECT execution_id FROM task_executions WHERE trigger = 'cron' AND total > 0
      AND ended_at >= MIN(?1, (SELECT MAX(ended_at) FROM task_executions
                               WHERE trigger = 'cron' AND total > 0))
    ORDER BY failed DESC, ended_at DESC LIMIT 1)
  ORDER BY r.task`;
var selectEmails = `SELECT
    (SELECT MIN(due_at) FROM emails WHERE status = 'queued') AS oldestDueAt,
    (SELECT COUNT(*) FROM emails WHERE status = 'unknown') AS unknown,
    (SELECT COUNT(*) FROM dead_letters) AS dead,
    (SELECT MAX(buried_at) FROM dead_letters) AS newestDeadAt,
    EXISTS (SELECT 1 FROM suppressions
            WHERE address = ?2 AND scope = 'all') AS operatorIsSuppressed,
    (SELECT COUNT(*) FROM dead_letters WHERE expires_at < ?1) AS expiring`;
async function readFacts(db, { tasks, failures, operator, now }) {
  const [streaks, failed, emails] = await db.batch([
    db.prepare(selectStreaks).bind(JSON.stringify(tasks), streakRuns(failures), now),
    db.prepare(selectFailed).bind(now - RECENT_MS),
    db.prepare(selectEmails).bind(now + DAY_MS2, operator?.toLowerCase() ?? null),
  ]);
  const rows = streaks?.results ?? [];
  return {
    failed: (failed?.results ?? []).map(({ task }) => task),
    streaks: rows.map(({ task, statuses }) => ({
      task,
      statuses: JSON.parse(statuses),
    })),
    emails: emails?.results[0] ?? {
      oldestDueAt: null,
      unknown: 0,
      dead: 0,
      newestDeadAt: null,
      expiring: 0,
      operatorIsSuppressed: 0,
    },
  };
}

// shared/alerts/sql/digest.ts
var selectTasks = `SELECT task, SUM(status = 'success') AS successes,
    SUM(status = 'failure') AS failures, SUM(status = 'skipped') AS skipped,
    SUM(CASE WHEN status = 'missed' THEN missed_count ELSE 0 END) AS missed
  FROM task_runs WHERE execution_id IN (
    SELECT execution_id FROM task_executions WHERE started_at >= ?1 AND started_at < ?2)
  GROUP BY task ORDER BY task`;
var selectEmails2 = `SELECT status, COUNT(*) AS count FROM emails
  WHERE created_at >= ?1 AND created_at < ?2 GROUP BY status ORDER BY status`;
var selectNow = `SELECT (SELECT COUNT(*) FROM dead_letters) AS dead,
    (SELECT COUNT(*) FROM emails WHERE status = 'unknown') AS unknown,
    (SELECT COUNT(*) FROM emails WHERE status = 'queued' AND due_at <= ?1) AS due`;
async function readDay(db, from, until, now) {
  const [tasks, emails, current, firing] = await db.batch([
    db.prepare(selectTasks).bind(from, until),
    db.prepare(selectEmails2).bind(from, until),
    db.prepare(selectNow).bind(now),
    db.prepare("SELECT summary FROM alerts WHERE fired_at IS NOT NULL ORDER BY fired_at"),
  ]);
  const byStatus = emails?.results ?? [];
  return {
    tasks: tasks?.results ?? [],
    emails: Object.fromEntries(byStatus.map(({ status, count }) => [status, count])),
    now: current?.results[0] ?? { dead: 0, unknown: 0, due: 0 },
    firing: (firing?.results ?? []).map(({ summary }) => summary),
  };
}
export {
  cancelQueued,
  cancelUnsent,
  claim,
  claimedBy,
  dueEmails,
  emailBacklog,
  emailsToNotify,
  expiredLeases,
  findDeadLetters,
  findEmail,
  findEmails,
  findIdempotencyKey,
  forgottenPins,
  insertEmail,
  insertIdempotencyKey,
  missingDeadLetters,
  notifySoon,
  oldestDeadEmails,
  postpone,
  promoteDue,
  readDay,
  readFacts,
  recordAndMarkSending,
  recordDeadLetters,
  recordNotifications,
  replay,
  resolveUnknown,
  saveDiscard,
  settleExpired,
  settleForgotten,
  takeFeedback,
};
