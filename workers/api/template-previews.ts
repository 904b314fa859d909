import { brandOf } from "../../shared/email/brand.ts";
import { withFiles } from "../../shared/email/files/wanted.ts";
import { acceptEmails } from "../../shared/email/outbox.ts";
import { countPlaceholders } from "../../shared/email/rules/unsubscribe-placeholder.ts";
import { submissionFrom } from "../../shared/email/submission.ts";
import type { FilledEmail } from "../../shared/email/templates/compose.ts";
import { checkDraft, draftOf, fieldsOf, type Draft } from "../../shared/email/templates/draft.ts";
import { composeVersion, noTemplates } from "../../shared/email/templates/named.ts";
import type { UsedTemplate } from "../../shared/email/templates/rules/choice.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { fail, ok, type Result } from "../../shared/lib/base/result.ts";
import type { ApiEnv } from "../env.ts";
import { lacks } from "./authorize.ts";
import { json, type CallerOf } from "./call.ts";
import { senderOfCaller } from "./email-caller.ts";
import { outboxOf } from "./outbox.ts";
import { imageSource } from "./page.ts";
import { findDraft, type Owner } from "./stored-templates.ts";

/** Previews and tests of templates. */

/** An email of a version with its example, as an email client shows it. */
export async function showVersion(
  owner: Owner,
  name: string,
  { format, version }: { format: "html" | "text" | "json"; version?: number | undefined },
): Promise<Result<Response, Failure>> {
  const draft = await findDraft(owner, name, version);
  if (!draft.ok) return draft;
  const email = filled(owner.env, name, draft.value, undefined);
  if (!email.ok) return email;
  if (format === "json") return json({ ...email.value, ...fieldsIn(owner.env, draft.value) });
  const isHtml = format === "html";
  const isBuiltIn = draft.value.version === undefined;
  const images = isBuiltIn ? imageSource(brandOf(owner.env)) : "img-src https: data:; ";
  const policy = `default-src 'none'; style-src 'unsafe-inline'; ${images}sandbox`;
  return ok(
    new Response(isHtml ? email.value.html : (email.value.text ?? ""), {
      headers: {
        "Content-Type": isHtml ? "text/html; charset=utf-8" : "text/plain; charset=utf-8",
        "Cache-Control": "no-store",
        // Emails have styles and images, and no script. A built-in one has the logo only.
        "Content-Security-Policy": policy,
      },
    }),
  );
}

const fieldsIn = (env: ApiEnv, draft: Draft) => ({ fields: fieldsOf(draft, brandOf(env)) });

type PreviewedDraft = Parameters<typeof draftOf>[1] & {
  data?: Record<string, unknown> | undefined;
};

/** The same of a version that is not stored, with each of its errors. */
export function showDraft(
  { env }: Owner,
  name: string,
  { data, ...fields }: PreviewedDraft,
): Result<Response, Failure> {
  const draft = draftOf(name, fields);
  const errors = checkDraft(name, draft, brandOf(env));
  if (errors.length > 0) return fail({ tag: "invalid", errors });
  const email = filled(env, name, draft, data);
  return email.ok ? json({ ...email.value, ...fieldsIn(env, draft) }) : email;
}

const filled = (
  env: ApiEnv,
  name: string,
  { content, example }: Draft,
  data: object | undefined,
): Result<FilledEmail, Failure> => composeVersion(name, content, data ?? example, brandOf(env));

type Test = {
  to: string;
  version?: number | undefined;
  data?: Record<string, unknown> | undefined;
  idempotencyKey: string | null;
};

const TEST_TAG = "template-test";

/**
 * Sends a version through the outbox of the caller, under the limits of the caller. It is an email
 * like others: who changes templates does not send it by that alone.
 */
export async function sendTest(
  owner: Owner,
  caller: CallerOf<"mailer">,
  { name, to, version, data, idempotencyKey }: Test & { name: string },
  now: number,
): Promise<Result<Response, Failure>> {
  const { env, source } = owner;
  if (!caller.scopes.includes("emails:send")) return fail(lacks(caller, "emails:send"));
  const who = senderOfCaller(env, caller, idempotencyKey);
  if (!who.ok) return who;
  const draft = await findDraft(owner, name, version);
  if (!draft.ok) return draft;
  const email = filled(env, name, draft.value, data);
  if (!email.ok) return email;
  const request = {
    to: [to],
    ...email.value,
    onUnknown: "hold" as const,
    tags: [TEST_TAG],
    // With a link to unsubscribe it must have a category that may have one.
    ...(countPlaceholders(email.value) > 0 && { category: "notification" as const }),
  };
  const given = { now, templates: noTemplates };
  const submission = withFiles(env, submissionFrom(env, request, who.value, given));
  if (!submission.ok) return submission;
  const used = usedBy(name, source, draft.value.version);
  const message = { ...submission.value.message, template: used };
  const [accepted] = await acceptEmails(outboxOf(env), [{ ...submission.value, message }], now);
  if (accepted === undefined) return fail({ tag: "internal" });
  if (!accepted.ok) return accepted;
  const { id, status, replayed } = accepted.value;
  const headers = {
    Location: `/api/emails/${id}`,
    ...(replayed && { "Idempotency-Replayed": "true" }),
  };
  return json({ id, status }, { status: 202, headers });
}

const usedBy = (
  name: string,
  source: "own" | "shared",
  version: number | undefined,
): UsedTemplate =>
  version === undefined ? { name, source: "built-in" } : { name, source, version };
