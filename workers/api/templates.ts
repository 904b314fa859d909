import * as v from "valibot";
import { previewTemplate as contract } from "../../shared/contract/emails.ts";
import { preview, templateName, templateNames } from "../../shared/email/templates/templates.ts";
import { fail, ok } from "../../shared/lib/base/result.ts";
import { validate } from "../../shared/lib/worker/validate.ts";
import { json, type Handler } from "./call.ts";

/** The names that `template` of a mail may have. */
export const listTemplates: Handler = async () =>
  json({ items: templateNames.map((name) => ({ name })) });

/** A template with its example, as a reader of mails shows it. */
export const previewTemplate: Handler = async ({ params, url }) => {
  const name = params["name"] ?? "";
  if (!v.is(templateName, name)) return fail({ tag: "not-found", what: "template" });
  const wanted = validate(contract.query, Object.fromEntries(url.searchParams));
  if (!wanted.ok) return wanted;
  const mail = preview(name);
  if (wanted.value.format === "json") return json(mail);
  const html = wanted.value.format === "html";
  return ok(
    new Response(html ? mail.html : mail.text, {
      headers: {
        "Content-Type": html ? "text/html; charset=utf-8" : "text/plain; charset=utf-8",
        "Cache-Control": "no-store",
        // Mails have inline styles and nothing else.
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
      },
    }),
  );
};
