import { preview, templateNames } from "../../shared/email/templates/templates.ts";
import { ok } from "../../shared/lib/base/result.ts";
import { json, type Handler } from "./call.ts";

/** The names that `template` of a mail may have. */
export const listTemplates: Handler<"listTemplates"> = async () =>
  json({ items: templateNames.map((name) => ({ name })) });

/** A template with its example, as a reader of mails shows it. */
export const previewTemplate: Handler<"previewTemplate"> = async ({
  params,
  query: { format },
}) => {
  const mail = preview(params.name);
  if (format === "json") return json(mail);
  const html = format === "html";
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
