/**
 * Whether a client prefers a page to JSON (RFC 9110, 12.5.1). A browser names text/html. curl and
 * most programs accept anything, and get JSON.
 */
export function wantsPage(headers: Headers): boolean {
  const accept = headers.get("Accept") ?? "";
  const html = qualityOf("text/html", accept);
  return html > 0 && html >= qualityOf("application/json", accept);
}

/** 0 if the type is not named: a wildcard asks for no page. */
function qualityOf(type: string, accept: string): number {
  for (const range of accept.split(",")) {
    const [name, ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
    if (name !== type) continue;
    const quality = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2) ?? "1";
    return Number(quality) || 0;
  }
  return 0;
}
