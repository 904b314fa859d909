import { brandOf } from "../../shared/email/brand.ts";
import { preview, templateNames } from "../../shared/email/templates/templates.ts";
import { ok } from "../../shared/lib/base/result.ts";
import { json, type Handler } from "./call.ts";
import { imageSource } from "./page.ts";

/** The names of the templates. */
export const listTemplates: Handler<"listTemplates"> = async () =>
  json({ items: templateNames.map((name) => ({ name })) });

/** A template with example data, as an email client shows it. */
export const previewTemplate: Handler<"previewTemplate"> = async ({
  params,
  query: { format },
  env,
}) => {
  const brand = brandOf(env);
  const email = preview(params.name, brand);
  if (format === "json") return json(email);
  const html = format === "html";
  // Emails have inline styles, the logo, and nothing else.
  const images = imageSource(brand);
  const policy = `default-src 'none'; style-src 'unsafe-inline'; ${images}sandbox`;
  return ok(
    new Response(html ? email.html : email.text, {
      headers: {
        "Content-Type": html ? "text/html; charset=utf-8" : "text/plain; charset=utf-8",
        "Cache-Control": "no-store",
        "Content-Security-Policy": policy,
      },
    }),
  );
};
