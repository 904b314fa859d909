import { createLocalJWKSet, errors, jwtVerify, type JSONWebKeySet } from "jose";
import * as v from "valibot";
import { within } from "../../shared/lib/base/deadline.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";

/**
 * Sign-in by Cloudflare Access
 * (https://developers.cloudflare.com/cloudflare-one/access-controls/applications/http-apps/authorization-cookie/validating-json/).
 */

const HEADER = "Cf-Access-Jwt-Assertion";
const TIMEOUT_MS = 3_000;
const KEEP_MS = 3_600_000;
/**
 * Keys rotate every six weeks, and the old ones stay valid for a week: they serve while Access
 * fails.
 */
const VALID_MS = 7 * 86_400_000;
/** A token with an unknown key causes a new load of the keys, at most once in this time. */
const LOOK_AGAIN_MS = 60_000;
/** Without any valid keys, a failed load is repeated at most once in this time. */
const ASK_AGAIN_MS = 5_000;

// oxlint-disable-next-line no-restricted-properties -- what it drops is in no key (RFC 7517)
const keySet = v.object({ keys: v.array(v.looseObject({ kid: v.string(), kty: v.string() })) });
const groups = v.fallback(v.optional(v.array(v.string()), []), []);
/**
 * Access passes a claim of the identity provider on under `custom`, once its name is entered there.
 * Groups that are not text, or none, give no role.
 */
const claims = v.object({
  email: v.pipe(v.string(), v.email()),
  groups,
  custom: v.fallback(v.optional(v.object({ groups }), { groups: [] }), { groups: [] }),
});

/** Who signed in. `groups`: of the identity provider, by the names that it gives them. */
export type AccessIdentity = { email: string; groups: string[] };

/** Plain data, so that no request awaits the promise of another. */
let kept: { teamDomain: string; at: number; failedAt: number; keys: JSONWebKeySet } | null = null;
/** When the last load failed that no kept keys replaced. */
let unansweredAt = Number.NEGATIVE_INFINITY;

/**
 * An operator who signed in through Access.
 *
 * @returns null without a token, or with one that is not Access's for this application, that has
 *   expired, or whose keys cannot be loaded
 */
export async function accessIdentity(
  request: Request,
  { teamDomain, audience }: { teamDomain: string; audience: string },
  now: number,
): Promise<AccessIdentity | null> {
  const token = request.headers.get(HEADER);
  if (token === null) return null;
  try {
    const options = {
      issuer: `https://${teamDomain}`,
      audience,
      algorithms: ["RS256", "ES256"],
      currentDate: new Date(now),
    };
    const first = await keysOf(teamDomain, KEEP_MS, now);
    const verified = await jwtVerify(token, createLocalJWKSet(first), options).catch(
      async (error: unknown) => {
        if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
        return await jwtVerify(
          token,
          createLocalJWKSet(await keysOf(teamDomain, LOOK_AGAIN_MS, now)),
          options,
        );
      },
    );
    const read = v.parse(claims, verified.payload);
    const all = [...read.groups, ...read.custom.groups];
    return { email: read.email.toLowerCase(), groups: all };
  } catch (error) {
    log("warn", "access.refused", {
      message: error instanceof errors.JOSEError ? error.code : describeError(error).message,
    });
    return null;
  }
}

async function keysOf(teamDomain: string, keepMs: number, now: number): Promise<JSONWebKeySet> {
  // While Access fails, not every request waits for it.
  if (
    kept?.teamDomain === teamDomain &&
    (now - kept.at < keepMs || now - kept.failedAt < LOOK_AGAIN_MS)
  )
    return kept.keys;
  if (Math.abs(now - unansweredAt) < ASK_AGAIN_MS) throw new Error("Access gave no keys just now");
  try {
    const keys = await within(TIMEOUT_MS, fetchKeys(teamDomain));
    kept = { teamDomain, at: now, failedAt: Number.NEGATIVE_INFINITY, keys };
    return keys;
  } catch (error) {
    if (kept?.teamDomain !== teamDomain || now - kept.at > VALID_MS) {
      unansweredAt = now;
      throw error;
    }
    log("warn", "access.keys_unread", describeError(error));
    kept.failedAt = now;
    return kept.keys;
  }
}

async function fetchKeys(teamDomain: string): Promise<JSONWebKeySet> {
  const response = await fetch(`https://${teamDomain}/cdn-cgi/access/certs`, {
    redirect: "manual",
  });
  if (!response.ok) throw new Error(`the keys of Access were answered with ${response.status}`);
  return v.parse(keySet, await response.json()) as JSONWebKeySet;
}
