import { runBatch } from "../../database/batch.ts";
import type { TemplateContent } from "../templates/compose.ts";
import { fromJson, type Json } from "./columns.ts";
import { headColumns, type StoredTemplate, type TemplateKey } from "./templates.ts";

/** SQL that reads stored templates. */

/** A version without its content. */
export type VersionHead = { version: number; subject: string; author: string; createdAt: number };

/** `example`: data that fills it. */
export type StoredVersion = VersionHead & {
  content: TemplateContent;
  example: Record<string, unknown>;
};

const versionHead = "version, subject, author, created_at AS createdAt";

/** The templates of tenants, by name. */
export async function findTemplates(
  db: D1Database,
  tenants: readonly string[],
): Promise<StoredTemplate[]> {
  const { results } = await db
    .prepare(
      `SELECT ${headColumns} FROM email_templates
       WHERE tenant IN (SELECT value FROM json_each(?1)) ORDER BY tenant, name`,
    )
    .bind(JSON.stringify(tenants))
    .all<StoredTemplate>();
  return results;
}

/** A template with its versions, newest first. */
export async function findTemplate(
  db: D1Database,
  { tenant, name }: TemplateKey,
): Promise<{ template: StoredTemplate; versions: VersionHead[] } | null> {
  const { head, versions } = await runBatch(db, {
    head: db
      .prepare(`SELECT ${headColumns} FROM email_templates WHERE tenant = ?1 AND name = ?2`)
      .bind(tenant, name),
    versions: db
      .prepare(
        `SELECT ${versionHead} FROM email_template_versions
         WHERE tenant = ?1 AND name = ?2 ORDER BY version DESC`,
      )
      .bind(tenant, name),
  });
  const [template] = head.results as StoredTemplate[];
  return template === undefined ? null : { template, versions: versions.results as VersionHead[] };
}

type ContentRow = { html: string; text: string | null; layout: 0 | 1; subject: string };
const contentColumns = "subject, html, text, layout";

export const contentFrom = ({ subject, html, text, layout }: ContentRow): TemplateContent => ({
  subject,
  html,
  text,
  layout: layout === 1,
});

/** @param version null for the published one, else the latest */
export async function findVersion(
  db: D1Database,
  { tenant, name }: TemplateKey,
  version: number | null,
): Promise<StoredVersion | null> {
  const row = await db
    .prepare(
      `SELECT ${versionHead}, ${contentColumns}, example FROM email_template_versions
       WHERE tenant = ?1 AND name = ?2 AND version = COALESCE(?3, (
         SELECT COALESCE(published_version, latest_version) FROM email_templates
         WHERE tenant = ?1 AND name = ?2))`,
    )
    .bind(tenant, name, version)
    .first<VersionHead & ContentRow & { example: Json<Record<string, unknown>> }>();
  if (row === null) return null;
  const { subject, author, createdAt } = row;
  return {
    version: row.version,
    subject,
    author,
    createdAt,
    content: contentFrom(row),
    example: fromJson(row.example),
  };
}
