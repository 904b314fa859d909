import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
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
    writeFileSync(
      join(outDir, `${name}.html`),
      page(title, markdown.parse(text, { async: false })),
    );
  const links = pages
    .map(({ name, title }) => `<li><a href="${name}">${title}</a></li>`)
    .join("\n");
  writeFileSync(
    join(outDir, "index.html"),
    page("Runbooks", `<h1>Runbooks</h1>\n<ul>\n${links}\n</ul>`),
  );
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
<link rel="stylesheet" href="../runbook.css">
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
 * A link to another runbook leads to its page; a link to a file of the repository becomes its name.
 * Wide tables and code scroll.
 */
const markdown = new Marked({
  renderer: {
    link({ href, tokens }: Tokens.Link): string {
      const text = this.parser.parseInline(tokens);
      if (/^https?:/.test(href)) return `<a href="${href}" rel="noreferrer">${text}</a>`;
      const runbook = /^([\w-]+)\.md(#.*)?$/.exec(href);
      return runbook === null ? text : `<a href="${runbook[1]}${runbook[2] ?? ""}">${text}</a>`;
    },
    code({ text }: Tokens.Code): string {
      return `<pre tabindex="0"><code>${escaped(text)}</code></pre>\n`;
    },
    table(token: Tokens.Table): string {
      const row = (cells: Tokens.TableCell[], tag: "th" | "td"): string => {
        const inner = cells.map(
          (cell) => `<${tag}>${this.parser.parseInline(cell.tokens)}</${tag}>`,
        );
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
