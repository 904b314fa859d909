import * as v from "valibot";
import { pauseScope } from "../email/rules/pauses.ts";
import { time } from "../http/time.ts";
import { named } from "../lib/worker/named.ts";
import { trimmedLine } from "../lib/worker/one-line.ts";
import { operation } from "./operation.ts";

const tag = "operations";

const pause = named("Pause", { scope: v.string(), reason: v.string(), createdAt: time });

export const listPauses = operation({
  id: "listPauses",
  method: "GET",
  path: "/api/admin/email/pauses",
  access: "viewer",
  tag,
  summary: "What is paused: all emails, those of tenants, and those from senders.",
  answers: { 200: v.strictObject({ items: v.array(pause) }) },
  problems: ["unavailable"],
});

export const pauseEmails = operation({
  id: "pauseEmails",
  method: "POST",
  path: "/api/admin/email/pauses",
  access: "admin",
  tag,
  summary: "Pause emails. They are accepted, and wait until the pause ends.",
  body: v.strictObject({ scope: pauseScope, reason: trimmedLine(200) }),
  answers: { 201: pause },
  problems: ["unavailable", "outcome-unknown"],
});

export const resumeEmails = operation({
  id: "resumeEmails",
  method: "DELETE",
  path: "/api/admin/email/pauses/:scope",
  access: "admin",
  tag,
  summary: "End a pause. The first 1,000 emails leave at once, the others within half an hour.",
  params: { scope: { schema: pauseScope, encoded: true } },
  answers: { 204: null },
  problems: ["not-found", "unavailable", "outcome-unknown"],
});
