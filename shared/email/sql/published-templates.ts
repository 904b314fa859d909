import type { PublishedTemplate } from "../templates/compose.ts";
import { contentFrom } from "./template-reads.ts";
import type { TemplateKey } from "./templates.ts";

/** SQL of what emails get that name a template. */

export type PublishedId = TemplateKey & { id: string };

/** The id of each published version of tenants. */
export async function findPublishedIds(
  db: D1Database,
  tenants: readonly string[],
): Promise<PublishedId[]> {
  const { results } = await db
    .prepare(
      `SELECT t.tenant, t.name, v.id FROM json_each(?1) AS m
       CROSS JOIN email_templates AS t ON t.tenant = m.value
       CROSS JOIN email_template_versions AS v ON v.tenant = t.tenant AND v.name = t.name
         AND v.version = t.published_version`,
    )
    .bind(JSON.stringify(tenants))
    .all<PublishedId>();
  return results;
}

type Row = Parameters<typeof contentFrom>[0] & { version: number };
const publishedFrom = (row: Row): PublishedTemplate => ({
  ...contentFrom(row),
  version: row.version,
});
const columns = "version, subject, html, text, layout";

/** Null: it was deleted. */
export async function findPublishedVersion(
  db: D1Database,
  id: string,
): Promise<PublishedTemplate | null> {
  const row = await db
    .prepare(`SELECT ${columns} FROM email_template_versions WHERE id = ?1`)
    .bind(id)
    .first<Row>();
  return row === null ? null : publishedFrom(row);
}

/** What is published under names, in one round trip. */
export async function findPublished(
  db: D1Database,
  tenants: readonly string[],
  names: readonly string[],
): Promise<(TemplateKey & { published: PublishedTemplate })[]> {
  const { results } = await db
    .prepare(
      `SELECT t.tenant, t.name, v.version, v.subject, v.html, v.text, v.layout
       FROM json_each(?1) AS m CROSS JOIN json_each(?2) AS n
       CROSS JOIN email_templates AS t ON t.tenant = m.value AND t.name = n.value
       CROSS JOIN email_template_versions AS v ON v.tenant = t.tenant AND v.name = t.name
         AND v.version = t.published_version`,
    )
    .bind(JSON.stringify(tenants), JSON.stringify(names))
    .all<TemplateKey & Row>();
  return results.map(({ tenant, name, ...row }) => ({
    tenant,
    name,
    published: publishedFrom(row),
  }));
}
