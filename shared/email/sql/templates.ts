import { insertCreated, type KeyedRequest } from "../../database/answered-requests.ts";
import { runBatch } from "../../database/batch.ts";
import { insertPurge, insertPurgeSql } from "../../database/purge-outbox/pending-purges.ts";
import type { TemplateContent } from "../templates/compose.ts";
import { publishedKey } from "../templates/rules/keys.ts";
import { toJson } from "./columns.ts";
import { tenantExists } from "./senders.ts";

/** SQL of stored templates. Those of the tenant `SHARED` are each tenant's. */

/** How many templates a tenant has at most. */
export const MAX_TEMPLATES = 100;
/** How many versions of a template are kept, beside the published one. */
const KEPT_VERSIONS = 50;
/** Of all versions of all templates of a tenant. */
export const MAX_BYTES = 20_000_000;

export type TemplateKey = { tenant: string; name: string };

export type StoredTemplate = TemplateKey & {
  /** Null: no email may name it. */
  publishedVersion: number | null;
  latestVersion: number;
  createdAt: number;
  updatedAt: number;
};

export const headColumns = `tenant, name, published_version AS publishedVersion,
  latest_version AS latestVersion, created_at AS createdAt, updated_at AS updatedAt`;

/** `id`: a new one. `publish`: emails get it from now on. */
export type NewVersion = TemplateKey & {
  id: string;
  author: string;
  publish: boolean;
  content: TemplateContent;
  example: Record<string, unknown>;
};

type WithPurge = { purgeId: string; now: number };
/** `keyed`: its Idempotency-Key. The answer that is kept is the id of the version. */
type WithKey = WithPurge & { keyed: KeyedRequest | null };

/** Why a version was not stored. `full`: the tenant has as much as it may have. */
export type VersionSaved =
  | { tag: "saved"; template: StoredTemplate; version: number }
  | { tag: "absent" | "taken" | "no-tenant" | "full" };

/** SQL: no user or team that was deleted. */
const isThere = (tenant: string): string => `(${tenantExists(tenant)}
  AND (${tenant} NOT LIKE 'team:%' OR EXISTS (
    SELECT 1 FROM teams WHERE team_id = SUBSTR(${tenant}, 6))))`;
const hasTemplate = (tenant: string, name: string): string =>
  `EXISTS (SELECT 1 FROM email_templates WHERE tenant = ${tenant} AND name = ${name})`;
/** SQL: the tenant `?2` has room for `?4` more bytes. */
const hasRoom = `(SELECT COALESCE(SUM(bytes), 0) FROM email_templates WHERE tenant = ?2) + ?4
  <= ${MAX_BYTES}`;
const hasRoomForTemplate = `(SELECT COUNT(*) FROM email_templates WHERE tenant = ?2)
  < ${MAX_TEMPLATES}`;

/**
 * Stores a version: the first one of a template that there is not, or the next one.
 *
 * @param of which of the two it must be
 */
export async function insertVersion(
  db: D1Database,
  version: NewVersion,
  of: "new" | "existing",
  { purgeId, now, keyed }: WithKey,
): Promise<VersionSaved> {
  const { id, tenant, name, author, content, publish } = version;
  const { subject, html, text, layout } = content;
  const example = toJson(version.example);
  const bytes = new TextEncoder().encode(subject + html + (text ?? "") + example).byteLength;
  const has = hasTemplate("?2", "?3");
  const isWanted = of === "new" ? `NOT ${has} AND ${hasRoomForTemplate}` : has;
  const { insert, head, why } = await runBatch(db, {
    insert: db
      .prepare(
        `INSERT INTO email_template_versions
           (id, tenant, name, version, bytes, author, created_at, layout, subject, html, text,
            example)
         SELECT ?1, ?2, ?3, 1 + COALESCE((SELECT latest_version FROM email_templates
             WHERE tenant = ?2 AND name = ?3), 0), ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11
         WHERE ${isThere("?2")} AND ${isWanted} AND ${hasRoom} RETURNING version`,
      )
      .bind(id, tenant, name, bytes, author, now, layout ? 1 : 0, subject, html, text, example),
    head: db
      .prepare(
        `INSERT INTO email_templates
           (tenant, name, published_version, latest_version, bytes, created_at, updated_at)
         SELECT tenant, name, iif(?2, version, NULL), version, 0, ?3, ?3
         FROM email_template_versions WHERE id = ?1
         ON CONFLICT (tenant, name) DO UPDATE SET latest_version = excluded.latest_version,
           published_version = COALESCE(excluded.published_version, published_version),
           updated_at = excluded.updated_at
         RETURNING ${headColumns}`,
      )
      .bind(id, publish ? 1 : 0, now),
    ...keptVersions(db, version),
    purge: publish ? [purgeAfter(db, version, { purgeId, now })] : [],
    why: db
      .prepare(`SELECT ${isThere("?1")} AS known, ${hasTemplate("?1", "?2")} AS there`)
      .bind(tenant, name),
    answered: insertCreated(db, keyed, now, {
      created: "SELECT id FROM email_template_versions WHERE id = ?1",
      bound: [id],
    }),
  });
  const [template] = head.results as StoredTemplate[];
  const [stored] = insert.results as { version: number }[];
  if (template !== undefined && stored !== undefined)
    return { tag: "saved", template, version: stored.version };
  const [reason] = why.results as Record<"known" | "there", number>[];
  if (reason?.known !== 1) return { tag: "no-tenant" };
  if (of === "new") return { tag: reason.there === 1 ? "taken" : "full" };
  return { tag: reason.there === 1 ? "full" : "absent" };
}

/** Deletes the oldest versions, and counts the bytes of the others. */
const keptVersions = (db: D1Database, { tenant, name }: TemplateKey) => {
  const own = "tenant = ?1 AND name = ?2";
  const head = (column: string): string => `(SELECT ${column} FROM email_templates WHERE ${own})`;
  return {
    pruned: db
      .prepare(
        `DELETE FROM email_template_versions WHERE ${own}
           AND version <= ${head("latest_version")} - ${KEPT_VERSIONS}
           AND version IS NOT ${head("published_version")}`,
      )
      .bind(tenant, name),
    counted: db
      .prepare(
        `UPDATE email_templates SET bytes = (SELECT COALESCE(SUM(bytes), 0)
           FROM email_template_versions WHERE ${own}) WHERE ${own}`,
      )
      .bind(tenant, name),
  };
};

/** The purge of what is published under the tenant, if the version is stored. */
const purgeAfter = (
  db: D1Database,
  { id, tenant }: NewVersion,
  { purgeId, now }: WithPurge,
): D1PreparedStatement =>
  db
    .prepare(
      insertPurgeSql({
        id: "?1",
        tags: "?2",
        createdAt: "?3",
        from: "FROM email_template_versions WHERE id = ?4",
      }),
    )
    .bind(purgeId, toJson([publishedKey(tenant)]), now, id);

/** A version by its id: its reply was lost, or its request is repeated. */
export async function findSavedVersion(db: D1Database, id: string): Promise<VersionSaved | null> {
  const row = await db
    .prepare(
      `SELECT t.tenant, t.name, t.published_version AS publishedVersion,
         t.latest_version AS latestVersion, t.created_at AS createdAt,
         t.updated_at AS updatedAt, v.version
       FROM email_template_versions AS v
       JOIN email_templates AS t ON t.tenant = v.tenant AND t.name = v.name WHERE v.id = ?1`,
    )
    .bind(id)
    .first<StoredTemplate & { version: number }>();
  if (row === null) return null;
  const { version, ...template } = row;
  return { tag: "saved", template, version };
}

/**
 * Makes a version the one that emails get. 0: none.
 *
 * @returns null if there is no such template or version
 */
export async function publishVersion(
  db: D1Database,
  { tenant, name }: TemplateKey,
  version: number,
  { purgeId, now }: WithPurge,
): Promise<StoredTemplate | null> {
  const { published } = await runBatch(db, {
    published: db
      .prepare(
        `UPDATE email_templates SET published_version = NULLIF(?3, 0), updated_at = ?4
         WHERE tenant = ?1 AND name = ?2 AND (?3 = 0 OR EXISTS (
           SELECT 1 FROM email_template_versions WHERE tenant = ?1 AND name = ?2 AND version = ?3))
         RETURNING ${headColumns}`,
      )
      .bind(tenant, name, version, now),
    purge: insertTemplatePurge(db, { tenant }, { purgeId, now }),
  });
  const [template] = published.results as StoredTemplate[];
  return template ?? null;
}

/** @returns whether it was there */
export async function deleteTemplateRows(
  db: D1Database,
  { tenant, name }: TemplateKey,
  withPurge: WithPurge,
): Promise<boolean> {
  const { gone } = await runBatch(db, {
    versions: db
      .prepare("DELETE FROM email_template_versions WHERE tenant = ?1 AND name = ?2")
      .bind(tenant, name),
    gone: db
      .prepare("DELETE FROM email_templates WHERE tenant = ?1 AND name = ?2 RETURNING name")
      .bind(tenant, name),
    purge: insertTemplatePurge(db, { tenant }, withPurge),
  });
  return gone.results.length > 0;
}

const insertTemplatePurge = (
  db: D1Database,
  { tenant }: Pick<TemplateKey, "tenant">,
  { purgeId, now }: WithPurge,
): D1PreparedStatement =>
  insertPurge(db, { id: purgeId, tags: [publishedKey(tenant)], mode: "hard", createdAt: now });
