import { sha256 } from "../../shared/lib/base/hash.ts";
import { ok, type Result } from "../../shared/lib/base/result.ts";

export type Page = { title: string; style: string; body: string };

/** A page with one inline style: no script, no image, nothing from other origins. */
export async function pageResponse(
  { title, style, body }: Page,
  headers: Record<string, string>,
): Promise<Result<Response, never>> {
  const html = `<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">
<title>${title}</title><style>${style}</style></head><body>${body}</body></html>`;
  const styleHash = new Uint8Array(await sha256(style)).toBase64();
  return ok(
    new Response(html, {
      headers: {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy":
          `default-src 'none'; style-src 'sha256-${styleHash}'; ` +
          "form-action 'self'; frame-ancestors 'none'",
        ...headers,
      },
    }),
  );
}
