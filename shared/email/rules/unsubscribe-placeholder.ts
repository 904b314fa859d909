/** The place in an email where its link to unsubscribe is shown. Pure. */

/** It stands in HTML or text. Each hand-over has the link there that its header has. */
export const UNSUBSCRIBE_PLACEHOLDER = "{{unsubscribeUrl}}";

/** Also with spaces, and with the third brace that templates use for what is not escaped. */
const placeholder = /\{\{\{?[ \t]*unsubscribeUrl[ \t]*\}?\}\}/g;

/** An email grows by the length of a link for each. */
export const MAX_PLACEHOLDERS = 10;

type Bodies = { html?: string | null | undefined; text?: string | null | undefined };

export const countPlaceholders = ({ html, text }: Bodies): number =>
  [html, text].reduce((sum, body) => sum + (body?.match(placeholder)?.length ?? 0), 0);

const escaped = (url: string): string => url.replaceAll("&", "&amp;").replaceAll('"', "&quot;");

/** @param url null leaves the body as it is */
export function withLink<Body extends string | null>(
  body: Body,
  url: string | null,
  as: "html" | "text",
): Body {
  if (body === null || url === null) return body;
  const link = as === "html" ? escaped(url) : url;
  return body.replaceAll(placeholder, () => link) as Body;
}
