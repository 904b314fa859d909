import { within } from "../../lib/base/deadline.ts";
import { fail, ok } from "../../lib/base/result.ts";
import { describeError, log } from "../../lib/worker/log.ts";
import { SHARED } from "../rules/shared-tenant.ts";
import { findPublished } from "../sql/published-templates.ts";
import type { PublishedTemplate } from "./compose.ts";
import { noTemplates, type ReadTemplates } from "./named.ts";

/** From D1, in one round trip: where an email is accepted after its request, or without one. */
export const templatesInDatabase =
  (db: D1Database): ReadTemplates =>
  async (tenant, names) => {
    if (names.length === 0) return ok(noTemplates);
    try {
      const read = findPublished(db, [tenant, SHARED], names);
      const found = await within(READ_TIMEOUT_MS, read);
      const of = (owner: string, name: string): PublishedTemplate | null =>
        found.find((one) => one.tenant === owner && one.name === name)?.published ?? null;
      return ok(
        new Map(names.map((name) => [name, { own: of(tenant, name), shared: of(SHARED, name) }])),
      );
    } catch (error) {
      log("error", "email_template.unread", describeError(error));
      return fail({ tag: "unavailable", dependency: "database" });
    }
  };

/** D1 has no timeout that a Worker could set. */
const READ_TIMEOUT_MS = 5_000;
