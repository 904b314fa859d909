import { version } from "../../package.json";
import { openApiDocument } from "../../shared/contract/openapi.ts";
import { operations } from "../../shared/contract/operations.ts";
import { ok } from "../../shared/lib/base/result.ts";
import type { Handler } from "./call.ts";
import { docsPage, type OpenApi } from "./docs-page.ts";
import { pageResponse } from "./page.ts";

/** Made at the first request and kept: it changes only with a release. */
let made: { json: string; document: OpenApi } | null = null;

function documents(): { json: string; document: OpenApi } {
  if (made === null) {
    const json = JSON.stringify(openApiDocument(operations, version));
    made = { json, document: JSON.parse(json) as OpenApi };
  }
  return made;
}

const headers = { "Cache-Control": "public, max-age=300" };

export const getOpenApi: Handler<"getOpenApi"> = async () =>
  ok(
    new Response(documents().json, { headers: { ...headers, "Content-Type": "application/json" } }),
  );

export const getDocs: Handler<"getDocs"> = async () =>
  await pageResponse(docsPage(documents().document), headers);
