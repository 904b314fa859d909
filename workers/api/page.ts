import { surfaces, type Brand } from "../../shared/email/brand.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { problemOf } from "../../shared/http/problem.ts";
import { sha256 } from "../../shared/lib/base/hash.ts";
import { ok, type Result } from "../../shared/lib/base/result.ts";

/** `body`: HTML that is trusted. */
export type Page = { title: string; style: string; body: string };

/**
 * A page under the brand, with one inline style: no script, and from other origins nothing except
 * the logo.
 */
export async function pageResponse(
  { title, style, body }: Page,
  brand: Brand,
  { status = 200, headers = {} }: { status?: number; headers?: Record<string, string> } = {},
): Promise<Response> {
  const html = `<!doctype html>
<html lang="${escaped(brand.language)}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex">
<title>${escaped(title)}</title><style>${style}</style></head><body>${body}</body></html>`;
  const styleHash = new Uint8Array(await sha256(style)).toBase64();
  return new Response(html, {
    status,
    headers: {
      "Content-Type": "text/html; charset=utf-8",
      "Content-Language": brand.language,
      "Content-Security-Policy":
        `default-src 'none'; style-src 'sha256-${styleHash}'; ${imageSource(brand)}` +
        "form-action 'self'; frame-ancestors 'none'",
      ...headers,
    },
  });
}

/** The logo alone may be loaded. */
export const imageSource = ({ logo }: Brand): string =>
  logo === null ? "" : `img-src ${new URL(logo.url).origin}; `;

export function escaped(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

function styleOf({ colours }: Brand): string {
  return `body{margin:0;font:16px/1.5 system-ui,sans-serif;background:#f4f4f7;color:#1c1c28}
main{max-width:28rem;margin:10vh auto;padding:2rem;background:${surfaces.light};border-radius:12px}
main{overflow-wrap:anywhere}
header{margin:0 0 1rem;font-weight:700;color:${colours.onLight}}img{display:block}
h1{margin:0 0 1rem;font-size:1.5rem}a{color:${colours.onLight}}
footer{margin:1.5rem 0 0;font-size:.875rem;color:#5c5c70}
button{font:inherit;padding:.6rem 1.2rem;border:0;border-radius:8px}
button{background:${colours.brand};color:${colours.onBrand};cursor:pointer}
@media (prefers-color-scheme:dark){body{background:#14141c;color:#ececf4}
main{background:${surfaces.dark}}header,a{color:${colours.onDark}}footer{color:#b4b4c8}
img{background:#fff;padding:6px;border-radius:6px}}
@media (max-width:30rem){main{margin:0;border-radius:0;min-height:calc(100vh - 4rem)}}`;
}

/** A short page for a person who followed a link in an email. Its link is a secret. */
export async function formPage(
  title: string,
  body: string,
  brand: Brand,
): Promise<Result<Response, never>> {
  return ok(await shortPage({ title, body, brand }));
}

/** What a person reads whose address or link leads to no answer. */
export async function problemPage(failure: Failure, brand: Brand, path: string): Promise<Response> {
  const { status, title, detail } = problemOf(failure);
  if (failure.tag !== "not-found")
    return await shortPage({ title, body: `<p>${escaped(detail)}</p>`, brand, status });
  if (failure.what !== "path")
    return await shortPage({
      title,
      body: "<p>This link does not work: it is incomplete, or it is no longer valid.</p>",
      brand,
      status,
    });
  const places = [["/", "Start"], ...(path.startsWith("/console") ? operatorPages : [])].map(
    ([href, name]) => `<a href="${href}">${name}</a>`,
  );
  const body = `<p>The address has a typing error, or the link to it is incomplete or old.</p>
<p>${places.join(" · ")}</p>`;
  return await shortPage({ title: "There is no page here", body, brand, status });
}

const operatorPages = [
  ["/console/", "Console"],
  ["/console/runbooks/", "Runbooks"],
];

/** `moreStyle`: CSS after that of every short page. */
type ShortPage = {
  title: string;
  body: string;
  brand: Brand;
  status?: number;
  moreStyle?: string;
  headers?: Record<string, string>;
};

/** A card with the logo or the name above, and the footer of the brand below. */
export async function shortPage({
  title,
  body,
  brand,
  status = 200,
  moreStyle = "",
  headers = {},
}: ShortPage): Promise<Response> {
  const { logo, name, footer } = brand;
  const sign =
    logo === null
      ? escaped(name)
      : `<img src="${escaped(logo.url)}" width="${logo.width}" height="${logo.height}" ` +
        `alt="${escaped(name)}">`;
  const below = footer === "" ? "" : `<footer>${escaped(footer)}</footer>`;
  return await pageResponse(
    {
      title: `${title} · ${name}`,
      style: styleOf(brand) + moreStyle,
      body: `<main><header>${sign}</header><h1>${escaped(title)}</h1>${body}${below}</main>`,
    },
    brand,
    { status, headers: { "Cache-Control": "no-store", ...headers } },
  );
}
