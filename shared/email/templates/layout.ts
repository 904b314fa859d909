/**
 * The frame of every email, for readers that know tables and inline styles and little else. `body`
 * is trusted: it comes from a template. The preheader is what an inbox shows beside the subject.
 * `{{product...}}` is the brand: see `render.ts`. A reader with a dark theme gets the colours of
 * the style sheet, and one without style sheets the light ones.
 */
export function layout({
  title,
  preheader,
  body,
  reason,
}: {
  title: string;
  preheader: string;
  body: string;
  reason: string;
}): string {
  return frame({
    title,
    preheader: `<div style="display:none;max-height:0;overflow:hidden">${preheader}</div>\n`,
    body: `${heading(title)}
${body}
<p class="soft" style="margin:24px 0 0;padding-top:16px;border-top:1px solid #e4e4ec;color:#5c5c70;
font-size:14px">${reason}</p>`,
  });
}

const heading = (title: string): string =>
  `<h1 style="margin:0 0 16px;font-size:24px;line-height:1.3;overflow-wrap:anywhere">${title}</h1>`;

/** The frame of a stored template, whose HTML has its own headings and reasons. */
export const storedLayout = ({ subject, html }: { subject: string; html: string }): string =>
  frame({ title: subject, preheader: "", body: html });

function frame({
  title,
  preheader,
  body,
}: {
  title: string;
  preheader: string;
  body: string;
}): string {
  return `<!doctype html>
<html lang="{{product.language}}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<meta name="supported-color-schemes" content="light dark"><title>${title}</title>
<style>
:root { color-scheme: light dark; supported-color-schemes: light dark; }
@media (prefers-color-scheme: dark) {
  .page { background: #14141c !important; color: #ececf4 !important; }
  .card { background: {{product.surfaces.dark}} !important; }
  .soft { color: #b4b4c8 !important; border-color: #3a3a52 !important; }
  .line { border-color: #3a3a52 !important; }
  .name, .link { color: {{product.colours.onDark}} !important; }
  .logo { background: #ffffff; padding: 6px; border-radius: 6px; }
}
</style></head>
<body class="page" style="margin:0;padding:24px 12px;background:#f4f4f7;color:#1c1c28;
font:16px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif">
${preheader}<table role="presentation" width="100%" cellpadding="0" cellspacing="0">
<tr><td align="center">
<table role="presentation" class="card" width="560" cellpadding="0" cellspacing="0"
style="max-width:560px;width:100%;background:{{product.surfaces.light}};border-radius:12px">
<tr><td class="name" style="padding:28px 32px 0;font-weight:700;letter-spacing:.02em;
color:{{product.colours.onLight}}">${sign}</td></tr>
<tr><td style="padding:12px 32px 32px">
${body}
{{#product.footer}}
<p class="soft" style="margin:12px 0 0;color:#5c5c70;font-size:14px">{{product.footer}}</p>
{{/product.footer}}
</td></tr></table>
</td></tr></table>
</body>
</html>`;
}

const sign =
  `{{#product.logo}}<img class="logo" src="{{url}}" width="{{width}}" height="{{height}}" ` +
  `alt="{{product.name}}" style="display:block;border:0">{{/product.logo}}` +
  "{{^product.logo}}{{product.name}}{{/product.logo}}";

/** The same frame in text. */
export function textLayout({
  title,
  body,
  reason,
}: {
  title: string;
  body: string;
  reason: string;
}): string {
  return `${title}

${body}

${reason}
${textFooter}`;
}

/** The frame of a stored template in text. */
export const storedTextLayout = (text: string): string => `${text}
${textFooter}`;

const textFooter = `{{#product.footer}}

{{product.footer}}
{{/product.footer}}
`;

export const paragraph = (html: string): string => `<p style="margin:0 0 16px">${html}</p>`;

/** A link as a button, and once more as text, for readers that show no buttons. */
export const button = (label: string, href: string): string =>
  `<p style="margin:0 0 16px"><a href="${href}" style="display:inline-block;padding:10px 20px;
border-radius:8px;background:{{product.colours.brand}};color:{{product.colours.onBrand}};
font-weight:600;text-decoration:none">${label}</a></p>
<p style="margin:0 0 16px;font-size:14px;overflow-wrap:anywhere"><a class="link" href="${href}"
style="color:{{product.colours.onLight}}">${href}</a></p>`;

/** One line of a list of names and values. */
export const row = (name: string, value: string): string =>
  `<tr><td class="soft" style="padding:8px 0;border-bottom:1px solid #e4e4ec;color:#5c5c70">` +
  `${name}</td><td class="line" align="right" style="padding:8px 0;` +
  `border-bottom:1px solid #e4e4ec;font-weight:600">${value}</td></tr>`;

export const rows = (html: string): string =>
  `<table role="presentation" width="100%" cellpadding="0" cellspacing="0" ` +
  `style="margin:0 0 16px">${html}</table>`;
