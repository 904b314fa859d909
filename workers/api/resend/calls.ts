import type { EmailAnswer } from "../../../shared/contract/emails.ts";
import { submissionOf, templatesIn } from "../../../shared/email/submission.ts";
import { noTemplates } from "../../../shared/email/templates/named.ts";
import { isBuiltIn } from "../../../shared/email/templates/templates.ts";
import { problemOf } from "../../../shared/http/problem.ts";
import { fail, ok, type Result } from "../../../shared/lib/base/result.ts";
import type { ApiEnv } from "../../env.ts";
import { listedEmail, resendEmail } from "./answers.ts";
import { resendProblem, type LunaProblem, type ResendProblem } from "./problems.ts";
import { lunaBatch, lunaEmail, lunaMove } from "./requests.ts";

/**
 * A call of Resend's API as a call of Luna's. `body` translates the body of the request, once the
 * caller is known to be one; `answer` translates the body of the answer.
 */
export type TranslatedCall = {
  method: "GET" | "POST" | "PATCH";
  path: string;
  body?: (given: unknown) => Result<unknown, ResendProblem>;
  answer: (body: unknown) => Result<object, ResendProblem>;
};

const withId = (id: string) => (): Result<object, never> => ok({ object: "email", id });

export const callToGet = (id: string): TranslatedCall => ({
  method: "GET",
  path: `/api/emails/${id}?content=true`,
  answer: (body) => ok(resendEmail(body as Parameters<typeof resendEmail>[0])),
});

export const callToCancel = (id: string): TranslatedCall => ({
  method: "POST",
  path: `/api/emails/${id}/cancel`,
  answer: withId(id),
});

export const callToUpdate = (id: string, now: number): TranslatedCall => ({
  method: "PATCH",
  path: `/api/emails/${id}`,
  body: (given) => ok(lunaMove(given, now)),
  answer: withId(id),
});

export const callToSend = (now: number, hasKey: boolean): TranslatedCall => ({
  method: "POST",
  path: "/api/emails",
  body: (given) => lunaEmail(given, now, hasKey),
  answer: (body) => ok({ id: (body as { id: string }).id }),
});

type Page = { items: EmailAnswer[]; nextCursor?: string };

export const callToList = (limit: string, cursor: string | null): TranslatedCall => ({
  method: "GET",
  path: [
    `/api/emails?limit=${encodeURIComponent(limit)}`,
    ...(cursor === null ? [] : [`cursor=${cursor}`]),
  ].join("&"),
  answer: (body) => {
    const { items, nextCursor } = body as Page;
    return ok({
      object: "list",
      has_more: nextCursor !== undefined,
      data: items.map(listedEmail),
    });
  },
});

/** Where the page after an email begins. */
export const cursorAfter = (id: string): TranslatedCall => ({
  method: "GET",
  path: `/api/emails/${id}`,
  answer: (body) => {
    const { createdAt } = body as EmailAnswer;
    return ok({ cursor: `${Date.parse(createdAt)}~${id}` });
  },
});

/** `hasKey`: whether the request has an Idempotency-Key. */
type BatchOptions = { validation: "strict" | "permissive"; hasKey: boolean };
type BatchItem = { id: string } | { error: LunaProblem };

/**
 * With `strict` a batch with an email that is not valid is refused as a whole. What depends on
 * what is stored, such as a suppression, a limit or a template, is decided for each email: `errors`
 * has those.
 */
export function callToSendBatch(
  env: ApiEnv,
  { validation, hasKey }: BatchOptions,
  now: number,
): TranslatedCall {
  const refused: { index: number; message: string }[] = [];
  return {
    method: "POST",
    path: "/api/emails/batch",
    body: (given) => {
      const emails = lunaBatch(given, now, hasKey);
      if (!emails.ok) return emails;
      for (const [index, email] of emails.value.entries()) {
        const problem = email.ok ? problemIn(env, email.value, now) : email.error;
        if (problem === null) continue;
        if (validation === "strict")
          return fail({ ...problem, message: `emails.${index}: ${problem.message}` });
        refused.push({ index, message: problem.message });
      }
      // What is wrong keeps its place, by which an Idempotency-Key names the others.
      const kept = emails.value.map((email, n) =>
        email.ok && !refused.some(({ index }) => index === n) ? email.value : {},
      );
      return ok({ emails: kept });
    },
    answer: (body) => {
      const { items } = body as { items: BatchItem[] };
      const data = items.flatMap((item) => ("id" in item ? [{ id: item.id }] : []));
      const known = new Set(refused.map(({ index }) => index));
      const problems = items.flatMap((item, index) =>
        "id" in item || known.has(index) ? [] : [{ index, ...resendProblem(item.error, true) }],
      );
      const [first] = problems;
      if (data.length === 0 && first !== undefined && validation === "strict") {
        const { index, ...problem } = first;
        return fail({ ...problem, message: `emails.${index}: ${problem.message}` });
      }
      const errors = [...refused, ...problems.map(({ index, message }) => ({ index, message }))];
      return ok({ data, ...((validation === "permissive" || errors.length > 0) && { errors }) });
    },
  };
}

/** What is wrong with an email in any case. The tenant does not matter for that. */
function problemIn(env: ApiEnv, email: object, now: number): ResendProblem | null {
  const [name] = templatesIn([email]);
  // Which stored templates there are depends on the tenant.
  const isStored = name !== undefined && !isBuiltIn(name);
  const checked = isStored ? withoutTemplate(email) : email;
  const submission = submissionOf(env, checked, { tenant: "" }, { now, templates: noTemplates });
  return submission.ok ? null : resendProblem(problemOf(submission.error), true);
}

const anyContent = { template: undefined, data: undefined, subject: "-", text: "-" };
const withoutTemplate = (email: object): object => ({ ...email, ...anyContent });
