import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parse } from "smol-toml";
import { expect, it } from "vitest";
import { sha256Hex } from "../../shared/lib/base/hash.ts";
import { eventually } from "../support/eventually.ts";
import { ADMIN_TOKEN, callApi } from "../support/http.ts";
import * as previous from "../support/previous-release.ts";
import { runbooks, step, steps } from "../support/runbooks.ts";
import { useStack } from "./support.ts";
import { walkerOn } from "./walk.ts";

/**
 * Walks through the runbooks of what an operator decides: the requests and the SQL are those of the
 * page, and it is over by the page's own check.
 */

const elsewhere = "luna-api-elsewhere";
const stack = useStack({}, [{ configPath: writeConfigOfElsewhere() }]);
const { call, send, until } = stack;
const { walk, look, health, signUp, run, forgottenEmail } = walkerOn(stack);
const BOUND_MS = 2_000;

/**
 * luna-api in another isolate, with a memory and a view of its own, on the same stores and objects.
 */
function writeConfigOfElsewhere(): string {
  const {
    migrations: _,
    assets: _assets,
    durable_objects,
    d1_databases,
    ...config
  } = parse(readFileSync("wrangler.api.toml", "utf8")) as Record<string, unknown>;
  const { bindings } = durable_objects as { bindings: object[] };
  const databases = d1_databases as object[];
  const file = join(mkdtempSync(join(tmpdir(), "luna-elsewhere-")), "wrangler.json");
  writeFileSync(
    file,
    JSON.stringify({
      ...config,
      name: elsewhere,
      main: resolve("workers/api/index.ts"),
      d1_databases: databases.map((database) => ({
        ...database,
        migrations_dir: resolve("migrations"),
      })),
      durable_objects: {
        bindings: bindings.map((binding) => ({ ...binding, script_name: "luna-api" })),
      },
      vars: { ADMIN_TOKEN: "unused-in-this-isolate-0123456789abc" },
    }),
  );
  return file;
}

it("old-data-served: D1 was changed by hand, the old value is served until the page's purge; the purge outbox is flushed by its task", async () => {
  await signUp("ada");
  expect((await call("GET", "/api/users/ada")).body.user.tier).toBe("free");
  await run("UPDATE users SET tier = 'pro' WHERE user_id = 'ada'");
  expect((await call("GET", "/api/users/ada")).body.user.tier).toBe("free");
  await look("old-data-served", { user: "ada" });
  await walk("old-data-served", "press", "invalidate", { filled: { user: "ada" } });
  expect((await call("GET", "/api/users/ada")).body.user.tier).toBe("pro");
  await run(
    `INSERT INTO purge_intents VALUES ('left', '["user:ada"]', 'hard', ${Date.now() - 300_000})`,
  );
  expect(await health()).toMatchObject({
    status: "degraded",
    checks: { cache: { owedPurges: 1 } },
  });
  await walk("old-data-served", "press", "runTask");
  expect(await health()).toMatchObject({ status: "ok", checks: { cache: { owedPurges: 0 } } });
  await run("UPDATE users SET tier = 'enterprise' WHERE user_id = 'ada'");
  await walk("old-data-served", "press", "invalidate", { nth: 1 });
  expect((await call("GET", "/api/users/ada")).body.user.tier).toBe("enterprise");
});

it("hit-rate-low: two readings give the rate between them", async () => {
  await signUp("ada");
  await call("GET", "/api/users/ada");
  const reading = async () =>
    (await call("GET", step("hit-rate-low", "look", "cacheMetrics").path)).body as {
      hits: number;
      misses: number;
    };
  const before = await reading();
  for (let n = 0; n < 20; n += 1) await call("GET", "/api/users/ada");
  await eventually(async () => {
    const after = await reading();
    const hits = after.hits - before.hits;
    const reads = hits + after.misses - before.misses;
    expect(reads).toBeGreaterThanOrEqual(20);
    expect(hits / reads).toBeGreaterThan(0.8);
  });
});

it("key-leaked: a key that was rotated or revoked is refused where that was done at once, and elsewhere within two seconds", async () => {
  const away = (token: string) =>
    callApi(
      (path, init) => stack.server.getWorker(elsewhere).fetch(`http://luna.test${path}`, init),
      { method: "GET", path: "/api/me", token },
    );
  const here = (token: string) => call("GET", "/api/me", undefined, { token });
  /** How late the other isolate still took a key. */
  const lastTaken = async (token: string, since: number): Promise<number> => {
    let last = 0;
    while (Date.now() < since + BOUND_MS + 1_000) {
      const askedAt = Date.now();
      if ((await away(token)).status === 200) last = askedAt;
      // More often than this, the limit of wrong keys would refuse the right one, too.
      await sleep(100);
    }
    return last;
  };
  const leaked = await signUp("ada");
  for (let n = 0; n < 2; n += 1)
    expect([(await here(leaked)).status, (await away(leaked)).status]).toEqual([200, 200]);
  await call("PATCH", "/api/users/ada", { scopes: ["emails:send"] });
  const later = new Date(Date.now() + 3_600_000).toISOString();
  const stolen = await call(
    "POST",
    "/api/emails",
    { to: "eve@example.com", subject: "Hi", text: "Hi", sendAt: later },
    { token: leaked },
  );
  await look("key-leaked");

  const { items } = (await walk("key-leaked", "look", "listAudit")).body;
  const fingerprint = (await sha256Hex(ADMIN_TOKEN)).slice(0, 8);
  expect(new Set(items.map(({ actor }: { actor: string }) => actor))).toEqual(
    new Set([`admin:${fingerprint}`]),
  );

  const rotated = await walk("key-leaked", "press", "rotateApiKey", { filled: { user: "ada" } });
  const rotatedAt = Date.now();
  expect((await here(leaked)).status).toBe(401);
  expect(await lastTaken(leaked, rotatedAt)).toBeLessThanOrEqual(rotatedAt + BOUND_MS);
  expect((await away(rotated.body.apiKey)).status).toBe(200);
  expect(
    (await walk("key-leaked", "press", "cancelEmail", { filled: { id: stolen.body.id } })).body
      .status,
  ).toBe("cancelled");

  await walk("key-leaked", "press", "revokeApiKey", { filled: { user: "ada" } });
  const revokedAt = Date.now();
  expect((await here(rotated.body.apiKey)).status).toBe(401);
  expect(await lastTaken(rotated.body.apiKey, revokedAt)).toBeLessThanOrEqual(revokedAt + BOUND_MS);
});

type Since = { what: string; id: string; detail: string; redo: string | null };

/** The table of the page: what becomes of an email by its line before the restore. */
const settledAs: Record<string, string> = Object.fromEntries(
  [
    ...(runbooks
      .find(({ name }) => name === "restore-from-time-travel")
      ?.parts.press.matchAll(/^ *\| (`.+?) \| `(\w+)`/gm) ?? []),
  ].flatMap(([, said = "", status = ""]) =>
    [...said.matchAll(/`(\w+)`|(no line)/g)].map(([, word, none]) => [word ?? none ?? "", status]),
  ),
);

/** What `sed` makes of a file of the page: `:moment` is the last good one. */
function sqlOf(file: string, moment: string): string[] {
  const text = readFileSync(`docs/operate/runbooks/${file}`, "utf8").replace(/^--.*$/gm, "");
  return text
    .replaceAll(":moment", `'${moment}'`)
    .split(/;\n/)
    .filter((statement) => statement.trim() !== "");
}

async function batch(statements: string[]): Promise<void> {
  const db = await stack.db();
  await db.batch(statements.map((statement) => db.prepare(statement)));
}

/** As Time Travel does it: every row of every table is again what it was. */
async function copyOfTheDatabase(): Promise<() => Promise<void>> {
  const db = await stack.db();
  const listed = await db
    .prepare(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND " +
        "name NOT LIKE '\\_cf%' ESCAPE '\\' AND name NOT LIKE 'd1_%'",
    )
    .all<{ name: string }>();
  const tables = await Promise.all(
    listed.results.map(async ({ name }) => {
      // Without generated columns, which take no value.
      const columns = await db.prepare(`PRAGMA table_info(${name})`).all<{ name: string }>();
      const names = columns.results.map((column) => column.name).join();
      return { name, rows: (await db.prepare(`SELECT ${names} FROM ${name}`).all()).results };
    }),
  );
  return async () => {
    await db.batch([
      db.prepare("PRAGMA defer_foreign_keys = on"),
      ...tables.map(({ name }) => db.prepare(`DELETE FROM ${name}`)),
      ...tables.flatMap(({ name, rows }) =>
        rows.map((row) =>
          // A trigger may have added it, as for a row of the release before.
          db
            .prepare(
              `INSERT OR REPLACE INTO ${name} (${Object.keys(row).join()}) VALUES (${Object.keys(
                row,
              )
                .map(() => "?")
                .join()})`,
            )
            .bind(...Object.values(row)),
        ),
      ),
    ]);
  };
}

it("restore-from-time-travel: rows go back, and keys, suppressions, deletions, caches and emails are brought together again: nothing is sent twice, no revoked key lives again", async () => {
  const stays = await signUp("stays");
  const rotates = await signUp("rotates");
  const leaves = await signUp("leaves");
  const me = async (token: string) => (await call("GET", "/api/me", undefined, { token })).status;
  await eventually(async () => expect(stack.sink.delivered).toHaveLength(3));
  // Two emails wait at the last good moment: one leaves afterwards, one does not.
  await forgottenEmail("leaves-since");
  await forgottenEmail("still-waits");
  await run(
    `UPDATE emails SET due_at = unixepoch() * 1000 - 1000
      WHERE id IN ('leaves-since', 'still-waits')`,
  );
  const restore = await copyOfTheDatabase();
  const moment = new Date(Date.now() + 1_000).toISOString().replace(/\.\d+/, "");
  await eventually(() => expect(Date.now()).toBeGreaterThan(Date.parse(moment) + 1_000));

  const rotated = (await call("POST", "/api/users/rotates/api-key")).body.apiKey as string;
  await call("DELETE", "/api/users/leaves");
  const newcomer = await signUp("newcomer");
  await call("POST", "/api/admin/email/suppressions", { address: "no@example.com", scope: "all" });
  await call("POST", "/api/admin/email/suppressions", {
    address: "no@example.com",
    scope: "marketing",
  });
  await run("INSERT INTO usage_reports (user_id, week) VALUES ('stays', date('now', '-7 days'))");
  await run(
    `UPDATE subscriptions SET told_of_trial_end = unixepoch() * 1000 + 86400000
      WHERE user_id = 'stays'`,
  );
  await run("UPDATE emails SET due_at = unixepoch() * 1000 + 3600000 WHERE id = 'still-waits'");
  await stack.sweep();
  await until("leaves-since", "sent");
  // The disaster, and what it looks like to a cache that has seen it.
  await run("UPDATE users SET tier = 'enterprise' WHERE user_id = 'stays'");
  await call("POST", "/api/admin/cache/invalidate", { userId: "stays" });
  expect((await call("GET", "/api/users/stays")).body.user.tier).toBe("enterprise");
  expect([await me(rotated), await me(rotates), await me(newcomer)]).toEqual([200, 401, 200]);

  await look("restore-from-time-travel");
  const db = await stack.db();
  const listed = await Promise.all(
    sqlOf("since.sql", moment).map((statement) => db.prepare(statement).all<Since>()),
  );
  const since = listed.flatMap(({ results }) => results);
  expect(since).toContainEqual(expect.objectContaining({ what: "deleted-account", id: "leaves" }));
  expect(since).toContainEqual(expect.objectContaining({ what: "new-account", id: "newcomer" }));
  expect(since).toContainEqual(
    expect.objectContaining({ what: "email", id: "leaves-since", detail: "sent" }),
  );
  const redo = since.flatMap((row) => row.redo ?? []);
  expect(redo).toHaveLength(5);

  await restore();
  await batch(redo);
  expect(
    await db.prepare("SELECT COUNT(*) AS n FROM usage_reports").first("n"),
    "it is not sent again",
  ).toBe(1);
  expect(
    await db
      .prepare("SELECT COUNT(*) AS n FROM subscriptions WHERE told_of_trial_end IS NOT NULL")
      .first("n"),
  ).toBe(1);
  await batch(sqlOf("after-restore.sql", moment));
  await walk("restore-from-time-travel", "press", "invalidate");
  for (const { id } of since.filter(({ what }) => what === "deleted-account"))
    await walk("restore-from-time-travel", "press", "deleteUser", { filled: { user: id } });
  await walk("restore-from-time-travel", "press", "runTask");
  const { items } = (await walk("restore-from-time-travel", "press", "listEmails")).body;
  expect(items.map(({ id }: { id: string }) => id).toSorted()).toEqual([
    "leaves-since",
    "still-waits",
  ]);
  expect(stack.sink.copiesOf("leaves-since"), "it was not sent again").toBe(1);
  for (const { id } of items) {
    const said = since.find((row) => row.what === "email" && row.id === id)?.detail ?? "no line";
    await walk("restore-from-time-travel", "press", "resolveEmail", {
      filled: {
        id,
        status: settledAs[said] ?? "",
      },
    });
  }

  await stack.sweep();
  await until("still-waits", "sent");
  expect(["leaves-since", "still-waits"].map((id) => stack.sink.copiesOf(id))).toEqual([1, 1]);
  expect((await stack.email("leaves-since")).status).toBe("sent");
  expect((await call("GET", "/api/users/stays")).body.user.tier).toBe("free");
  expect([
    await me(stays),
    await me(rotated),
    await me(rotates),
    await me(leaves),
    await me(newcomer),
  ]).toEqual([200, 200, 401, 401, 401]);
  expect(
    (await call("POST", "/api/emails", { to: "no@example.com", subject: "Hi", text: "Hi" })).status,
    "is suppressed again",
  ).toBe(422);
  await eventually(async () =>
    expect(await health()).toMatchObject({ status: "ok", checks: { email: { unknown: 0 } } }),
  );
});

it("location: the four requests make each object, and all of them answer", async () => {
  for (const { method, path } of steps("location", "press"))
    expect((await call(method, path)).status, path).toBe(200);
  const { items } = (await call("GET", "/api/admin/circuit-breakers")).body;
  expect(items.map(({ state }: { state: string }) => state)).not.toContain("UNREACHABLE");
  expect((await health()).status).toBe("ok");
});

it("deploy-and-roll-back: the release before this one takes an email that was for later, after the page's statement", async () => {
  const id = await send("ada@example.com", {
    sendAt: new Date(Date.now() + 3_600_000).toISOString(),
  });
  await look("deploy-and-roll-back");
  expect((await walk("deploy-and-roll-back", "press", "listEmails")).body.items).toEqual([]);
  const db = await stack.db();
  const later = Date.now() + 3_700_000;
  const claim = () =>
    previous.claim(db, [{ v: 1, emailId: id, generation: 1 }], {
      token: "previous",
      now: later,
      leaseExpiresAt: later + 60_000,
    });
  expect(await claim()).toEqual({ claimed: [] });
  const page = runbooks.find(({ name }) => name === "deploy-and-roll-back");
  const statement =
    page?.shell.flatMap(({ line }) => / --command "(UPDATE [^"]+)"/.exec(line)?.[1] ?? []) ?? [];
  expect(statement).toHaveLength(1);
  await batch(statement);
  expect(await claim()).toEqual({ claimed: [id] });
});

it("first-24-hours: after a little traffic every reading is good, and an email goes through everything", async () => {
  await signUp("ada");
  for (let n = 0; n < 20; n += 1) expect((await call("GET", "/api/users/ada")).status).toBe(200);
  await call("POST", "/api/admin/scheduled-tasks/tick");
  await look("first-24-hours");
  const reading = async (operationId: string) =>
    (await walk("first-24-hours", "look", operationId)).body;
  expect(
    (await reading("listCircuitBreakers")).items.map(({ state }: { state: string }) => state),
  ).toEqual(Array.from({ length: 7 }, () => "CLOSED"));
  await eventually(async () =>
    expect(Number.parseFloat((await reading("cacheMetrics")).hitRate)).toBeGreaterThan(80),
  );
  expect((await reading("listDeadLetters")).items).toEqual([]);
  const { total, successful } = await reading("scheduledTaskHistory");
  expect(total).toBeGreaterThan(0);
  expect(successful / total).toBeGreaterThan(0.95);
  expect((await reading("listAlerts")).firing).toEqual([]);
  const sent = await walk("first-24-hours", "press", "sendEmail", {
    filled: {
      address: "operator@example.com",
    },
  });
  await until(sent.body.id, "sent");
  expect(await reading("getHealth")).toMatchObject({
    status: "ok",
    checks: { email: { unknown: 0, oldestDueSeconds: 0 } },
  });
});

it("first-week: every reading is answered, and the drill is that of kv-down", async () => {
  await look("first-week", { name: "email:smtp" });
  for (const { method, path } of steps("first-week", "press"))
    expect((await call(method, path)).status).toBe(200);
});
