import * as v from "valibot";
import { problem } from "../../shared/contract/operation.ts";
import { operations } from "../../shared/contract/operations.ts";
import { getHealth } from "../../shared/contract/system.ts";
import { record } from "../../shared/lib/worker/record.ts";
import { securityHeaders } from "../../workers/api/headers.ts";
import type { Check, Target } from "./target.ts";

/** Checks that need no token. */
export const publicChecks: Check[] = [
  {
    name: "/health answers, and is not down",
    async run(target) {
      const { body } = await target.call(getHealth);
      const wrong = Object.entries(body.checks).flatMap(([name, { status }]) =>
        status === "ok" ? [] : [name],
      );
      return body.status === "ok" ? `ok, version ${body.version}` : `degraded: ${wrong.join(", ")}`;
    },
  },
  {
    name: "/openapi.json describes every operation of this release",
    async run(target) {
      const response = await target.fetch("/openapi.json");
      const document = v.parse(
        v.object({ paths: record(v.string(), record(v.string(), v.unknown())) }),
        await response.json(),
      );
      const missing = operations.filter(({ method, path }) => {
        const described = document.paths[path.replace(/:(\w+)/g, "{$1}")];
        return described === undefined || !(method.toLowerCase() in described);
      });
      if (missing.length > 0)
        throw new Error(`${missing.length} are missing, the first is ${missing[0]?.id ?? ""}`);
      return `${operations.length} operations`;
    },
  },
  { name: "without a token the API refuses", run: (target) => refused(target, {}) },
  {
    name: "with a wrong token the API refuses",
    run: (target) => refused(target, { Authorization: `Bearer ${"wrong".repeat(8)}` }),
  },
  {
    name: "without a token operators' routes refuse",
    async run(target) {
      const response = await target.fetch("/api/admin/cache/invalidate", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ keys: ["user:smoke"] }),
      });
      return await refusal(response, 401);
    },
  },
  {
    name: "an unknown path answers with a problem document",
    run: async (target) => await refusal(await target.fetch("/api/no-such-thing"), 404),
  },
  {
    name: "answers carry the security headers",
    async run(target) {
      const { headers } = await target.fetch("/health");
      const wrong = Object.entries(securityHeaders).filter(
        ([name, value]) => headers.get(name) !== value,
      );
      if (wrong.length > 0)
        throw new Error(
          wrong.map(([name]) => `${name} is "${headers.get(name) ?? ""}"`).join(", "),
        );
      return `${Object.keys(securityHeaders).length} headers`;
    },
  },
  {
    name: "the console loads, and may run only its own scripts",
    async run(target) {
      const page = await target.fetch("/console/");
      const script = /src="\.\/(assets\/[\w.-]+\.js)"/.exec(await page.text())?.[1];
      if (page.status !== 200 || script === undefined)
        throw new Error(`/console/ answered ${page.status}, but is not the console`);
      const policy = page.headers.get("Content-Security-Policy") ?? "";
      if (!policy.includes("default-src 'none'") || policy.includes("unsafe"))
        throw new Error(`its policy is "${policy}"`);
      const { status } = await target.fetch(`/console/${script}`);
      if (status !== 200) throw new Error(`its script answered ${status}`);
      return script;
    },
  },
];

async function refused(target: Target, headers: Record<string, string>): Promise<string> {
  return await refusal(await target.fetch("/api/me", { headers }), 401);
}

async function refusal(response: Response, status: number): Promise<string> {
  const text = await response.text();
  if (response.status !== status) throw new Error(`it was answered with ${response.status}`);
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), problem), text);
  if (!parsed.success) throw new Error("the refusal is not a problem document");
  return `${status} ${parsed.output.type}`;
}
