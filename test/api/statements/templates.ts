import { findState } from "../../../shared/database/audit-states.ts";
import * as published from "../../../shared/email/sql/published-templates.ts";
import * as reads from "../../../shared/email/sql/template-reads.ts";
import * as templates from "../../../shared/email/sql/templates.ts";
import { now, own, type Cases } from "./cases.ts";

/** The statements of stored templates. */

const tenant = `user:${own.user}`;
const key = { tenant, name: "own" };
const withPurge = (purgeId: string) => ({ purgeId, now });
const keyed = () => ({
  tenant,
  operation: "addOwnTemplateVersion",
  key: crypto.randomUUID(),
  requestHash: "h",
  requestId: "r",
});
const version = (id: string): templates.NewVersion => ({
  ...key,
  id,
  author: tenant,
  publish: true,
  content: { subject: "Hi", html: "<p>Hi</p>", text: null, layout: true },
  example: {},
});

export const ofTemplates: Cases = {
  "insertVersion: new": (db) =>
    templates.insertVersion(db, version("tpl_1"), "new", { ...withPurge("p-t1"), keyed: null }),
  "insertVersion: existing": (db) =>
    templates.insertVersion(db, version("tpl_2"), "existing", {
      ...withPurge("p-t2"),
      keyed: keyed(),
    }),
  findSavedVersion: (db) => templates.findSavedVersion(db, "tpl_1"),
  publishVersion: (db) => templates.publishVersion(db, key, 1, withPurge("p-t3")),
  findTemplates: (db) => reads.findTemplates(db, [tenant, ""]),
  findTemplate: (db) => reads.findTemplate(db, key),
  findVersion: (db) => reads.findVersion(db, key, null),
  findPublishedIds: (db) => published.findPublishedIds(db, [tenant, ""]),
  findPublishedVersion: (db) => published.findPublishedVersion(db, "tpl_1"),
  findPublished: (db) => published.findPublished(db, [tenant, ""], ["own"]),
  "findState: template": (db) => findState(db, "template", [tenant, "own"]),
  deleteTemplateRows: (db) =>
    templates.deleteTemplateRows(db, { tenant, name: "other" }, withPurge("p-t4")),
};
