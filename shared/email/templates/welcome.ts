import { renderTemplate, type RenderedMail } from "./render.ts";

type WelcomeData = { userId: string; tier: string };

const template = {
  subject: "Welcome to Luna, {{userId}}",
  html: `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Welcome to Luna</title></head>
<body style="margin:0;padding:24px;background:#f4f4f7;font:16px/1.5 system-ui,-apple-system,'Segoe UI',sans-serif;color:#1c1c28">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0"><tr><td align="center">
<table role="presentation" width="560" cellpadding="0" cellspacing="0" style="max-width:560px;width:100%;background:#fff;border-radius:12px">
<tr><td style="padding:32px">
<h1 style="margin:0 0 16px;font-size:24px">Welcome, {{userId}}</h1>
<p style="margin:0 0 16px">Your account is ready on the <strong>{{tier}}</strong> plan.</p>
<p style="margin:0 0 16px">Your API key was shown once when the account was created. If it got lost, ask for a new one: the old one stops working at that moment.</p>
<p style="margin:0;color:#5c5c70;font-size:14px">You get this mail because an account was created with your address. If that was not you, reply and we will remove it.</p>
</td></tr></table>
</td></tr></table>
</body>
</html>`,
  text: `Welcome, {{userId}}

Your account is ready on the {{tier}} plan.

Your API key was shown once when the account was created. If it got lost,
ask for a new one: the old one stops working at that moment.

You get this mail because an account was created with your address. If that
was not you, reply and we will remove it.
`,
};

export function renderWelcome({ userId, tier }: WelcomeData): RenderedMail {
  return renderTemplate(template, { userId, tier });
}
