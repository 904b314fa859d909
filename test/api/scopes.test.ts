import { beforeAll, describe, expect, it } from "vitest";
import {
  keyScopes,
  teamScopes,
  userScopes,
  type KeyScope,
} from "../../shared/accounts/rules/key-scopes.ts";
import { operations } from "../../shared/contract/operations.ts";
import { scopeNamed } from "../../shared/contract/scopes.ts";
import { call, signUpAs } from "./support.ts";

/**
 * No request passes without its scope: each operation with a key of each kind that has every scope
 * except the one that it needs, and with one that has no other.
 */

const kinds = { operator: keyScopes, user: userScopes, team: teamScopes };
type Kind = keyof typeof kinds;

const reach: Record<Kind, readonly string[]> = {
  operator: ["admin", "viewer", "reader", "caller", "person", "self", "mailer"],
  user: ["user", "reader", "caller", "person", "self", "mailer"],
  team: ["reader", "caller", "mailer"],
};

const cases = operations.flatMap((operation) => {
  const scope = scopeNamed(operation.id);
  return scope === null
    ? []
    : (Object.keys(kinds) as Kind[])
        .filter((kind) => reach[kind].includes(operation.access))
        .map((kind) => ({ ...operation, kind, scope }));
});

let params: Record<string, string> = {};
const paths = { operator: "/api/admin/api-keys", user: "", team: "" };
const keys = new Map<string, string>();

/** A key of the kind with these scopes, made once. */
async function keyWith(kind: Kind, scopes: readonly KeyScope[]): Promise<string> {
  const name = `${kind} ${scopes.join()}`;
  const known = keys.get(name);
  if (known !== undefined) return known;
  const { status, body } = await call("POST", paths[kind], { name: "Key", scopes });
  expect(status).toBe(201);
  keys.set(name, body.apiKey);
  return body.apiKey;
}

beforeAll(async () => {
  const { userId, token } = await signUpAs("pro");
  await call("PATCH", `/api/users/${userId}`, { scopes: ["emails:send"] });
  const { teamId } = (await call("POST", "/api/teams", { name: "Team" }, { token })).body.team;
  paths.user = `/api/users/${userId}/api-keys`;
  paths.team = `/api/teams/${teamId}/api-keys`;
  params = { userId, teamId };
});

describe.each(cases)("$id with a key of the kind $kind", (operation) => {
  const { method, path, access, body, kind, scope } = operation;
  const ask = async (scopes: readonly KeyScope[], values: Record<string, string>) => {
    const asked = path.replace(/:(\w+)/g, (_, name: string) => values[name] ?? "no-such-thing");
    // What has passed is refused because of this field.
    const sent = body === undefined ? undefined : { "no-such-field": 1 };
    return await call(method, asked, sent, { token: await keyWith(kind, scopes), text: true });
  };

  it(`is refused without ${scope}, which the answer names`, async () => {
    const all: readonly KeyScope[] = kinds[kind];
    const { status, text } = await ask(
      all.filter((one) => one !== scope),
      params,
    );
    expect(status).toBe(403);
    expect(text).toContain(`lacks the scope ${scope}`);
  });

  // With a body it changes nothing; without one it is about what is not there.
  const isHarmless = method === "GET" || body !== undefined;
  it.runIf(isHarmless || access !== "self" || kind !== "user")("passes with it alone", async () => {
    const needed: KeyScope[] = access === "mailer" ? [scope, "emails:send"] : [scope];
    const { text } = await ask([...new Set(needed)], isHarmless ? params : {});
    expect(text).not.toContain("lacks the scope");
  });
});
