import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { objectKey } from "../../shared/email/rules/file.ts";
import type { CronEnv } from "../../workers/env.ts";
import { runTask } from "../support/run-task.ts";

/** What deletes uploaded files, on a real D1 and R2. */

const db = env.DB;
const DAY_MS = 86_400_000;
const now = Date.now();
const run = (changes?: Partial<CronEnv>) => runTask("expire-attachments", changes);
const nothing = { deleted: 0, orphans: 0, left: 0, late: 0 };

function bucket(): R2Bucket {
  if (env.ATTACHMENTS === undefined) throw new Error("no bucket is bound");
  return env.ATTACHMENTS;
}

beforeEach(async () => {
  const { objects } = await bucket().list();
  await bucket().delete(objects.map(({ key }) => key));
  for (const table of ["attachments", "email_attachments", "email_contents"])
    await db.exec(`DELETE FROM ${table}`);
  await db.exec("UPDATE task_cursors SET id = ''");
});

/** @param expiresIn milliseconds from now on; null: an email names it */
async function file(id: string, expiresIn: number | null, createdAt = now): Promise<string> {
  const key = objectKey({ id, createdAt });
  await bucket().put(key, "bytes");
  await db
    .prepare(
      `INSERT INTO attachments
         (id, tenant, status, filename, content_type, size_bytes, created_at, expires_at)
       VALUES (?1, 'admin', 'stored', 'a', 'b/c', 5, ?2, ?3)`,
    )
    .bind(id, createdAt, expiresIn === null ? null : now + expiresIn)
    .run();
  return key;
}

const rows = async (): Promise<string[]> => {
  const { results } = await db
    .prepare("SELECT id, status FROM attachments ORDER BY id")
    .all<{ id: string; status: string }>();
  return results.map(({ id, status }) => `${id} ${status}`);
};
const objects = async (): Promise<string[]> =>
  (await bucket().list()).objects.map(({ key }) => key.slice(key.lastIndexOf("/") + 1));

describe("an uploaded file", () => {
  it("goes with its object once it has expired, and others stay", async () => {
    await file("expired", -1);
    await file("waiting", 60_000);
    await file("named", null);
    expect(await run()).toEqual({ ...nothing, deleted: 1 });
    expect(await rows()).toEqual(["named stored", "waiting stored"]);
    expect(await objects()).toEqual(["named", "waiting"]);
    expect(await run()).toEqual(nothing);
  });

  it("goes once the last content that names it is deleted", async () => {
    await file("shared", null);
    for (const email of ["one", "two"])
      await db.batch([
        db
          .prepare("INSERT INTO email_contents (email_id, attachments) VALUES (?1, '[]')")
          .bind(email),
        db.prepare("INSERT INTO email_attachments VALUES (?1, 'shared')").bind(email),
      ]);
    const remove = db.prepare("DELETE FROM email_contents WHERE email_id = ?1");
    await remove.bind("one").run();
    expect(await run()).toEqual(nothing);
    await remove.bind("two").run();
    expect(await run()).toEqual({ ...nothing, deleted: 1 });
    expect([await rows(), await objects()]).toEqual([[], []]);
  });

  it("reports what is left, and what is late by a day", async () => {
    const many = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10003)
      INSERT INTO attachments
        (id, tenant, status, filename, content_type, size_bytes, created_at, expires_at)
      SELECT 'f-' || i, 'admin', 'stored', 'a', 'b/c', 1, ?1, ?1 FROM n`;
    await db
      .prepare(many)
      .bind(now - 2 * DAY_MS)
      .run();
    expect(await run()).toEqual({ ...nothing, deleted: 10_000, left: 3, late: 3 });
    expect(await run()).toEqual({ ...nothing, deleted: 3 });
  });

  it("needs no bucket while nothing is uploaded", async () => {
    expect(await run({ ATTACHMENTS: undefined as never })).toEqual(nothing);
  });
});

/** The bucket, except what is replaced. */
const withBucket = (changes: Partial<R2Bucket>): Partial<CronEnv> => ({
  ATTACHMENTS: {
    delete: (keys: string[]) => bucket().delete(keys),
    list: (options: R2ListOptions) => bucket().list(options),
    ...changes,
  } as R2Bucket,
});
const down = () => Promise.reject(new Error("internal error"));

describe("a crash while files are deleted", () => {
  it("before the object leaves a marked row, which no email can name and the next run deletes", async () => {
    await file("expired", -1);
    await expect(run(withBucket({ delete: down }))).rejects.toThrow("internal error");
    expect(await rows()).toEqual(["expired deleting"]);
    expect(await objects()).toEqual(["expired"]);
    expect(await run()).toEqual({ ...nothing, deleted: 1 });
    expect([await rows(), await objects()]).toEqual([[], []]);
  });

  it("before the row leaves a row without an object, which the next run deletes", async () => {
    await file("expired", -1);
    const crashing = withBucket({
      delete: async (keys: string | string[]) => {
        await bucket().delete(keys);
        throw new Error("crashed");
      },
    });
    await expect(run(crashing)).rejects.toThrow("crashed");
    expect([await rows(), await objects()]).toEqual([["expired deleting"], []]);
    expect(await run()).toEqual({ ...nothing, deleted: 1 });
    expect(await rows()).toEqual([]);
  });

  it("of the upload leaves an object that goes with its row", async () => {
    await file("half", -1);
    await db.exec("UPDATE attachments SET status = 'uploading'");
    expect(await run()).toEqual({ ...nothing, deleted: 1 });
    expect([await rows(), await objects()]).toEqual([[], []]);
  });
});

describe("an object without a row", () => {
  const orphan = async (id: string, days: number): Promise<void> => {
    await bucket().put(objectKey({ id, createdAt: now - days * DAY_MS }), "bytes");
  };

  it("goes when its day is two days old, and no object that a row names", async () => {
    vi.spyOn(console, "warn").mockReturnValue();
    for (const days of [0, 1, 2, 9]) await orphan(`orphan-${days}`, days);
    await file("kept", null, now - 5 * DAY_MS);
    expect(await run()).toEqual({ ...nothing, orphans: 2 });
    expect(await objects()).toEqual(["kept", "orphan-1", "orphan-0"]);
    expect(await run()).toEqual(nothing);
    vi.restoreAllMocks();
  });

  it("is looked for from where the last run came to, a page at a time", async () => {
    vi.spyOn(console, "warn").mockReturnValue();
    const started: (string | undefined)[] = [];
    const paged = withBucket({
      list: async (options?: R2ListOptions) => {
        started.push(options?.startAfter);
        return await bucket().list(options);
      },
    });
    await file("a", null, now - 9 * DAY_MS);
    await run(paged);
    await orphan("b", 3);
    expect(await run(paged)).toEqual({ ...nothing, orphans: 1 });
    expect(started).toEqual([undefined, objectKey({ id: "a", createdAt: now - 9 * DAY_MS })]);
    vi.restoreAllMocks();
  });
});
