import { lookup } from "mrmime";
import { cut } from "../../../shared/lib/base/cut.ts";
import { fail, ok, type Result } from "../../../shared/lib/base/result.ts";
import { unsupported, validationError, type ResendProblem } from "./problems.ts";

/**
 * Requests of Resend's API as requests of Luna's. Pure. Values keep their types: Luna's own schema
 * refuses what is wrong. https://resend.com/docs/api-reference/emails/send-email
 */

type Fields = Record<string, unknown>;

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Fields that have the same meaning: Resend's name, and Luna's. */
const same = {
  from: "from",
  to: "to",
  cc: "cc",
  bcc: "bcc",
  subject: "subject",
  html: "html",
  text: "text",
  headers: "headers",
  reply_to: "replyTo",
} as const;

const translated = new Set([
  ...Object.keys(same),
  "tags",
  "attachments",
  "template",
  "scheduled_at",
]);

/** An email as `POST /api/emails` takes it. */
export function lunaEmail(
  body: unknown,
  now: number,
  hasKey: boolean,
): Result<Fields, ResendProblem> {
  if (!isFields(body)) return fail(validationError("The body must be an object."));
  const given = Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null));
  for (const name of Object.keys(given))
    if (!translated.has(name)) return fail(unsupported(`the field \`${cut(name, 64)}\``));
  // A repeat would ask for another time under the same key.
  if (hasKey && isRelative(given["scheduled_at"])) return fail(noRelative);
  const attachments = attachmentsOf(given["attachments"]);
  if (!attachments.ok) return attachments;
  const email: Fields = {
    ...Object.fromEntries(
      Object.entries(same).map(([theirs, ours]) => [ours, given[theirs]] as const),
    ),
    tags: tagsOf(given["tags"]),
    attachments: attachments.value,
    sendAt: dueTime(given["scheduled_at"], now),
    ...templateOf(given["template"]),
  };
  return ok(Object.fromEntries(Object.entries(email).filter(([, value]) => value !== undefined)));
}

/** What `PATCH /api/emails/:id` takes. */
export const lunaMove = (body: unknown, now: number): Fields =>
  isFields(body) ? { sendAt: dueTime(body["scheduled_at"], now) } : {};

/** A tag of Luna is one text: `name:value`. */
const tagsOf = (tags: unknown): unknown =>
  Array.isArray(tags)
    ? tags.map((tag: unknown) => {
        if (!isFields(tag)) return tag;
        const { name, value } = tag;
        return typeof name === "string" && typeof value === "string" ? `${name}:${value}` : tag;
      })
    : tags;

function templateOf(template: unknown): Fields {
  return isFields(template)
    ? { template: template["id"], data: template["variables"] ?? {} }
    : { template };
}

function attachmentsOf(attachments: unknown): Result<unknown, ResendProblem> {
  if (!Array.isArray(attachments)) return ok(attachments);
  const files: unknown[] = [];
  for (const attachment of attachments as unknown[]) {
    if (!isFields(attachment)) {
      files.push(attachment);
      continue;
    }
    const { content, filename, content_type: type, content_id: contentId, path } = attachment;
    if (typeof path === "string") return fail(noPath);
    if (content === undefined || content === null) return fail(noContent);
    const name = typeof filename === "string" && filename !== "" ? filename : "attachment";
    files.push({
      filename: name,
      content,
      contentType: type ?? lookup(name),
      ...(contentId !== undefined && contentId !== null && { contentId }),
    });
  }
  return ok(files);
}

const noPath: ResendProblem = {
  statusCode: 422,
  name: "invalid_attachment",
  message: "Luna fetches no files: send the `content` of an attachment instead of its `path`.",
};
const noContent: ResendProblem = {
  statusCode: 422,
  name: "invalid_attachment",
  message: "Attachment must have `content`.",
};

const units = { second: 1_000, min: 60_000, minute: 60_000, hour: 3_600_000, day: 86_400_000 };
/** Such as `in 1 min` or `in 3 days`. Other words are left to Luna's schema, which refuses them. */
const relative = /^in (\d{1,4}) (second|min|minute|hour|day)s?$/i;

const isRelative = (at: unknown): boolean => typeof at === "string" && relative.test(at.trim());
const noRelative = validationError(
  "The `scheduled_at` field must be an ISO 8601 time together with an idempotency key.",
);

function dueTime(at: unknown, now: number): unknown {
  const [, count, unit] = (typeof at === "string" ? relative.exec(at.trim()) : null) ?? [];
  if (count === undefined || unit === undefined) return at ?? undefined;
  const ms = Number(count) * units[unit.toLowerCase() as keyof typeof units];
  return new Date(now + ms).toISOString();
}

/** Emails of a batch, at most as many as Luna takes. */
export function lunaBatch(
  body: unknown,
  now: number,
  hasKey: boolean,
): Result<Result<Fields, ResendProblem>[], ResendProblem> {
  if (!Array.isArray(body)) return fail(validationError("The body must be a list of emails."));
  if (body.length === 0) return fail(validationError("The list must have at least one email."));
  if (body.length > MAX_BATCH)
    return fail(validationError(`The list may have at most ${MAX_BATCH} emails.`));
  return ok(
    (body as unknown[]).map((email) => {
      const has = (field: string): boolean => isFields(email) && email[field] != null;
      if (has("attachments")) return fail(unsupported("`attachments` in a batch, as Resend"));
      return lunaEmail(email, now, hasKey);
    }),
  );
}

/** https://resend.com/docs/api-reference/emails/send-batch-emails */
const MAX_BATCH = 100;

/** The query of `GET /api/emails`, but for the cursor. */
export function lunaPage(query: URLSearchParams): Result<{ limit: string }, ResendProblem> {
  if (query.has("before")) return fail(unsupported("`before`: page with `after`"));
  return ok({ limit: query.get("limit") ?? "20" });
}
