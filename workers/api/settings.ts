import * as v from "valibot";
import { ok, type Result } from "../../shared/lib/base/result.ts";
import { log } from "../../shared/lib/worker/log.ts";
import {
  readVariables,
  token,
  type Misconfigured,
  type VariablesOf,
} from "../../shared/lib/worker/variables.ts";
import { readRoles, type RoleOfGroup } from "./rules/access-roles.ts";

/** The settings of luna-api: how operators sign in, and which other sites may call. */

const optionalToken = v.optional(
  v.union([v.literal(""), token], "must have at least 32 characters"),
  "",
);

const authVariables = v.pipe(
  v.object({
    ADMIN_TOKEN: token,
    ADMIN_TOKEN_PREVIOUS: optionalToken,
    READONLY_TOKEN: optionalToken,
    ACCESS_TEAM_DOMAIN: v.optional(
      v.union(
        [v.literal(""), v.pipe(v.string(), v.regex(/^[a-z0-9-]+\.cloudflareaccess\.com$/))],
        "must look like example.cloudflareaccess.com",
      ),
      "",
    ),
    ACCESS_AUDIENCE: v.optional(
      v.union(
        [v.literal(""), v.pipe(v.string(), v.regex(/^[\w-]{16,128}$/))],
        "must be the tag of an Access application",
      ),
      "",
    ),
    ACCESS_ROLES: v.optional(
      v.pipe(
        v.string(),
        v.check(
          (text) => readRoles(text) !== null,
          "must be groups with their roles, such as luna-admins=admin,*=viewer",
        ),
      ),
      "",
    ),
  }),
  v.forward(
    v.check(
      (given) => (given.ACCESS_TEAM_DOMAIN === "") === (given.ACCESS_AUDIENCE === ""),
      "is needed with ACCESS_TEAM_DOMAIN, and for nothing without it",
    ),
    ["ACCESS_AUDIENCE"],
  ),
  v.forward(
    v.check(
      (given) =>
        given.READONLY_TOKEN === "" ||
        ![given.ADMIN_TOKEN, given.ADMIN_TOKEN_PREVIOUS].includes(given.READONLY_TOKEN),
      "must not be an admin token",
    ),
    ["READONLY_TOKEN"],
  ),
);

const corsVariables = v.object({
  CORS_ORIGINS: v.optional(
    v.pipe(
      v.string(),
      v.transform((text) =>
        text
          .split(",")
          .map((origin) => origin.trim())
          .filter((origin) => origin !== ""),
      ),
      v.check(
        (origins) => origins.every(isOrigin),
        "must be origins such as https://app.example.com, separated by commas",
      ),
    ),
    "",
  ),
});

export type AuthVariables = VariablesOf<typeof authVariables>;
export type CorsVariables = VariablesOf<typeof corsVariables>;

/**
 * The tokens that operators hold. `admin`: the valid ones, newest first; two while one replaces the
 * other.
 */
export type AuthSettings = {
  admin: string[];
  readonly: string | null;
  access: { teamDomain: string; audience: string; roles: readonly RoleOfGroup[] } | null;
};

export function authSettings(env: AuthVariables): Result<AuthSettings, Misconfigured> {
  const variables = readVariables(authVariables, env);
  if (!variables.ok) return variables;
  const {
    ADMIN_TOKEN,
    ADMIN_TOKEN_PREVIOUS,
    READONLY_TOKEN,
    ACCESS_TEAM_DOMAIN: teamDomain,
    ACCESS_AUDIENCE: audience,
    ACCESS_ROLES: roles,
  } = variables.value;
  return ok({
    admin: [ADMIN_TOKEN, ADMIN_TOKEN_PREVIOUS].filter((one) => one !== ""),
    readonly: READONLY_TOKEN === "" ? null : READONLY_TOKEN,
    access: teamDomain === "" ? null : { teamDomain, audience, roles: readRoles(roles) ?? [] },
  });
}

/** The origins whose pages may call the API. */
export function corsOrigins(env: CorsVariables): Result<string[], Misconfigured> {
  const variables = readVariables(corsVariables, env);
  return variables.ok ? ok(variables.value.CORS_ORIGINS) : variables;
}

/** Logs an invalid variable whose effect strangers see: the answer must not name it. */
export function logMisconfigured(what: string, { variable, message }: Misconfigured): void {
  log("error", `${what}.misconfigured`, { variable, problem: message });
}

function isOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text && /^https?:/.test(text);
}
