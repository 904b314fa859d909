import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join, normalize } from "node:path";
import { Marked, type Tokens } from "marked";

/** The runbooks as static pages beside the console, so that they work while Luna does not. */

/** @param outDir a folder of the console's assets */
export function writeRunbookPages(source: string, outDir: string): void {
  mkdirSync(outDir, { recursive: true });
  const pages = readdirSync(source)
    .filter((file) => file.endsWith(".md"))
    .map((file) => {
      const text = readFileSync(join(source, file), "utf8");
      return { name: basename(file, ".md"), title: /^# (.+)$/m.exec(text)?.[1] ?? file, text };
    });
  for (const { name, title, text } of pages)
    writeFileSync(join(outDir, `${name}.html`), page(title, runbookBody(text)));
  const links = pages
    .map(({ name, title }) => `<li><a href="${name}">${title}</a></li>`)
    .join("\n");
  writeFileSync(
    join(outDir, "index.html"),
    page("Runbooks", `<h1>Runbooks</h1>\n<ul>\n${links}\n</ul>`),
  );
}

/** What every command of a page uses. `runbook.ts` puts the origin of the page in. */
const SETUP = [
  `<p>Set these first: every command on this page uses them. The token is the`,
  `<code>ADMIN_TOKEN</code>.</p>`,
  `<pre tabindex="0"><code>export LUNA=<span data-origin>https://api.example.com</span>`,
  `read -rs TOKEN &amp;&amp; export TOKEN</code></pre>`,
].join("\n");

/** Where the reader of the Markdown finds them. */
const SETUP_LINE = /^\*\*Before you start:\*\* .*\n\n/m;

/** A runbook as HTML that needs no other page. */
export function runbookBody(text: string): string {
  const html = markdown.parse(text.replace(SETUP_LINE, ""), { async: false });
  const end = html.indexOf("</h1>") + "</h1>".length;
  const setup = /\$(LUNA|TOKEN)\b/.test(text) ? SETUP : "";
  return [html.slice(0, end), setup, html.slice(end)].join("\n");
}

function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>${title} · Luna</title>
<link rel="icon" href="../moon.svg" type="image/svg+xml">
<link rel="stylesheet" href="../runbook.css">
<script type="module" src="../runbook.js"></script>
</head>
<body>
<nav aria-label="Luna"><a href="../">Console</a> <a href="./">Runbooks</a></nav>
<main>
${body}
</main>
</body>
</html>
`;
}

/**
 * A link to another runbook leads to its page; one to a file of the repository becomes its text and
 * the path. Code wraps. A row of a table is a card on a small screen.
 */
const markdown = new Marked({
  renderer: {
    link({ href, tokens }: Tokens.Link): string {
      const text = this.parser.parseInline(tokens);
      if (/^https?:/.test(href)) return `<a href="${href}" rel="noreferrer">${text}</a>`;
      const runbook = /^([\w-]+)\.md(#.*)?$/.exec(href);
      if (runbook !== null) return `<a href="${runbook[1]}${runbook[2] ?? ""}">${text}</a>`;
      const path = normalize(join("docs/operate/runbooks", href.replace(/#.*/, "")));
      return path.endsWith(`/${text}`) ? `<code>${path}</code>` : `${text} (<code>${path}</code>)`;
    },
    code({ text }: Tokens.Code): string {
      return `<pre tabindex="0"><code>${escaped(text)}</code></pre>\n`;
    },
    table(token: Tokens.Table): string {
      const heads = token.header.map(({ text }) => escaped(text.replaceAll("`", "")));
      const row = (cells: Tokens.TableCell[], tag: "th" | "td"): string => {
        const inner = cells.map((cell, n) => {
          const head =
            tag === "td" ? ` data-head="${heads[n]?.replaceAll('"', "&quot;") ?? ""}"` : "";
          return `<${tag}${head}><div>${this.parser.parseInline(cell.tokens)}</div></${tag}>`;
        });
        return `<tr>${inner.join("")}</tr>`;
      };
      const body = token.rows.map((cells) => row(cells, "td")).join("\n");
      return [
        `<div class="scrolls" tabindex="0" role="region" aria-label="Table"><table>`,
        `<thead>${row(token.header, "th")}</thead><tbody>${body}</tbody>`,
        `</table></div>\n`,
      ].join("");
    },
  },
});

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
