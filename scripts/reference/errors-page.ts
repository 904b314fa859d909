import { problemHelp } from "../../shared/http/problem-help.ts";
import { httpStatusOf, problemType } from "../../shared/http/problem.ts";
import { wrapped } from "./api-page.ts";

/** `docs/reference/errors.md`, from the problems of the code. Pure. */

const HEAD = `# Errors

Every problem of the API, its cause and what to do about it.
An error answer is an RFC 9457 document, \`application/problem+json\`, with \`type\`, \`title\`,
\`status\` and \`detail\`; \`errors: [{path, message}]\` names each wrong field. A refused request
has written nothing, except where a problem below states otherwise. \`npm run reference\` writes
this page.

**Before you start:** read [the rules of the API](api-rules.md).

The \`type\` is \`urn:luna:problem:\` and the name of the section. It is released and stays, because
clients compare it. The header \`Link\` of each error answer leads to the same text, which a running
Luna serves under \`GET /docs\`. Answers with 429 or 503 have \`Retry-After\` in seconds.
`;

const NEXT = `## Next

[HTTP API](api.md) · [the rules of the API](api-rules.md) ·
[requests end in errors](../operate/runbooks/errors.md), for operators
`;

type Tag = keyof typeof httpStatusOf;

export function errorsPage(): string {
  const tags = (Object.keys(httpStatusOf) as Tag[]).toSorted(
    (one, other) => httpStatusOf[one] - httpStatusOf[other] || (one < other ? -1 : 1),
  );
  const sections = tags.map((tag) => {
    const { cause, action } = problemHelp[tag];
    return [
      `## ${tag}`,
      `- Status: ${httpStatusOf[tag]}\n- Type: \`${problemType(tag)}\``.replace("\\\n", "\n"),
      wrapped(`**Cause:** ${cause}`),
      wrapped(`**What to do:** ${action}`),
    ].join("\n\n");
  });
  return [HEAD, ...sections, NEXT].join("\n\n").replace(/\n{3,}/g, "\n\n");
}
