import { version } from "../../package.json";
import { brandOf, type Brand } from "../../shared/email/brand.ts";
import { publicUrl } from "../../shared/email/settings.ts";
import { ok } from "../../shared/lib/base/result.ts";
import { json, type Handler } from "./call.ts";
import { inspectHealth } from "./health.ts";
import { escaped, shortPage } from "./page.ts";
import { authSettings } from "./settings.ts";
import { wantsPage } from "./wants-page.ts";

/** Where to go from here, by the name in the answer to machines. */
const places = {
  console: { path: "/console/", title: "Console", about: "what is wrong, and what to do about it" },
  docs: { path: "/docs", title: "API", about: "every operation, its input and its answers" },
  openApi: { path: "/openapi.json", title: "OpenAPI", about: "the same for tools" },
  runbooks: { path: "/console/runbooks/", title: "Runbooks", about: "what to do in an outage" },
  health: { path: "/health", title: "Health", about: "the state of each part" },
};

/** The answer depends on it. */
const vary = { Vary: "Accept" };

const inWords = {
  ok: "Every part works.",
  degraded: "It works, and a part needs attention.",
  down: "The database does not answer.",
};

type Start = {
  name: string;
  version: string;
  status: keyof typeof inWords;
  links: Record<keyof typeof places, string>;
  accessSignIn: boolean;
  firstCall: string;
};

export const getStart: Handler<"getStart"> = async ({ request, url, env, now }) => {
  const { status } = await inspectHealth(env, now);
  const brand = brandOf(env);
  const configured = publicUrl(env);
  const origin = configured.ok ? configured.value : url.origin;
  const auth = authSettings(env);
  const start: Start = {
    name: brand.name,
    version,
    status,
    links: {
      health: `${origin}${places.health.path}`,
      docs: `${origin}${places.docs.path}`,
      openApi: `${origin}${places.openApi.path}`,
      console: `${origin}${places.console.path}`,
      runbooks: `${origin}${places.runbooks.path}`,
    },
    accessSignIn: auth.ok && auth.value.access !== null,
    firstCall: [
      `curl -s ${origin}/api/emails \\`,
      `  -H "Authorization: Bearer $TOKEN" \\`,
      `  -H "Content-Type: application/json" \\`,
      `  -d '{"to": "you@example.com", "subject": "Hello", "text": "Hello"}'`,
    ].join("\n"),
  };
  return wantsPage(request.headers)
    ? ok(await startPage(start, brand))
    : json(start, { headers: vary });
};

const moreStyle = `main{max-width:44rem}ul{list-style:none;margin:0 0 1.5rem;padding:0}
li{display:flex;flex-wrap:wrap;gap:0 1rem;padding:.4rem 0;border-top:1px solid #8886}
li a{flex:0 0 6rem}li span{flex:1 1 14rem}h2{margin:1.5rem 0 .5rem;font-size:1.1rem}
pre{margin:0 0 1rem;padding:.75rem 1rem;border-radius:8px;background:#8882}
pre{white-space:pre-wrap;overflow-wrap:anywhere}code{font:.875em/1.45 ui-monospace,monospace}`;

async function startPage({ name, status, firstCall }: Start, brand: Brand): Promise<Response> {
  const links = Object.values(places).map(
    ({ path, title, about }) => `<li><a href="${path}">${title}</a><span>${about}</span></li>`,
  );
  const body = `<p>Release ${escaped(version)}. Health: <b>${status}</b>. ${inWords[status]}</p>
<nav aria-label="Pages"><ul>${links.join("")}</ul></nav>
<h2>The first call</h2>
<pre tabindex="0"><code>${escaped(firstCall)}</code></pre>
<p><code>TOKEN</code> is the admin token, which <code>npm start</code> prints, or a key with
the scope <code>emails:send</code>. The guides are in <code>docs/guides</code> of the
repository.</p>`;
  return await shortPage({ title: `${name} is running`, body, brand, moreStyle, headers: vary });
}
