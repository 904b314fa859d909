/**
 * The frame of every email, for readers that know tables and inline styles and little else. `body`
 * is trusted: it comes from a template. The preheader is what an inbox shows beside the subject.
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
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>${title}</title></head>
<body style="margin:0;padding:24px 12px;background:#f4f4f7;color:#1c1c28;
font:16px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif">
<div style="display:none;max-height:0;overflow:hidden">${preheader}</div>
<table role="presentation" width="100%" cellpadding="0" cellspacing="0"><tr><td align="center">
<table role="presentation" width="560" cellpadding="0" cellspacing="0"
style="max-width:560px;width:100%;background:#ffffff;border-radius:12px">
<tr><td style="padding:28px 32px 0;font-weight:700;letter-spacing:.02em;color:#4b3fce">Luna</td>
</tr>
<tr><td style="padding:12px 32px 32px">
<h1 style="margin:0 0 16px;font-size:24px;line-height:1.3">${title}</h1>
${body}
<p style="margin:24px 0 0;padding-top:16px;border-top:1px solid #e4e4ec;color:#5c5c70;
font-size:14px">${reason}</p>
</td></tr></table>
</td></tr></table>
</body>
</html>`;
}

export const paragraph = (html: string): string => `<p style="margin:0 0 16px">${html}</p>`;

/** One line of a list of names and values. */
export const row = (name: string, value: string): string =>
  `<tr><td style="padding:8px 0;border-bottom:1px solid #e4e4ec;color:#5c5c70">${name}</td>` +
  `<td align="right" style="padding:8px 0;border-bottom:1px solid #e4e4ec;font-weight:600">` +
  `${value}</td></tr>`;

export const rows = (html: string): string =>
  `<table role="presentation" width="100%" cellpadding="0" cellspacing="0" ` +
  `style="margin:0 0 16px">${html}</table>`;
