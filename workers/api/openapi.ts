import { version } from "../../package.json";
import { openApiDocument } from "../../shared/contract/openapi.ts";
import { operations } from "../../shared/contract/operations.ts";
import { brandOf } from "../../shared/email/brand.ts";
import { publicUrl } from "../../shared/email/settings.ts";
import { ok } from "../../shared/lib/base/result.ts";
import type { ApiEnv } from "../env.ts";
import type { Handler } from "./call.ts";
import { docsPage, type OpenApi } from "./docs-page.ts";
import { pageResponse } from "./page.ts";

/** Made at the first request and kept: it changes only with a release or the variables. */
let made: { key: string; json: string; document: OpenApi } | null = null;

function documents(env: ApiEnv): { json: string; document: OpenApi } {
  const url = publicUrl(env);
  const at = url.ok ? url.value : null;
  const { name } = brandOf(env);
  const key = `${name} ${at}`;
  if (made?.key !== key) {
    const json = JSON.stringify(openApiDocument(operations, version, { name, publicUrl: at }));
    made = { key, json, document: JSON.parse(json) as OpenApi };
  }
  return made;
}

const headers = { "Cache-Control": "public, max-age=300" };

export const getOpenApi: Handler<"getOpenApi"> = async ({ env }) =>
  ok(
    new Response(documents(env).json, {
      headers: { ...headers, "Content-Type": "application/json" },
    }),
  );

export const getDocs: Handler<"getDocs"> = async ({ env }) =>
  ok(await pageResponse(docsPage(documents(env).document), brandOf(env), { headers }));
