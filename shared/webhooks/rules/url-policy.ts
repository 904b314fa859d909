import { fail, ok, type Result } from "../../lib/base/result.ts";
import { isLoopback, isPrivateHost } from "./private-addresses.ts";

/**
 * Which URLs Luna calls for others. A name that resolves to a private address is not found here:
 * Cloudflare's network does not route a Worker's calls to one. Pure.
 */

const MAX_URL_LENGTH = 2_048;

/** `allowLoopback`: plain http to this machine is allowed, as `npm start` does. */
export type UrlPolicy = { allowLoopback: boolean };

/** @returns the URL in the form of the URL standard, or what is wrong with it */
export function checkUrl(text: string, { allowLoopback }: UrlPolicy): Result<string, string> {
  if (text.length > MAX_URL_LENGTH) return fail(`must have at most ${MAX_URL_LENGTH} characters`);
  if (!URL.canParse(text)) return fail("is not a URL");
  const url = new URL(text);
  // A trailing dot names the same host.
  const host = url.hostname.replace(/\.+$/, "");
  if (url.username !== "" || url.password !== "") return fail("must not have a user or password");
  if (url.hash !== "") return fail("must not have a fragment");
  if (allowLoopback && isLoopback(host) && ["http:", "https:"].includes(url.protocol))
    return ok(url.href);
  if (url.protocol !== "https:") return fail("must begin with https://");
  if (isPrivateHost(host)) return fail("must not lead into a private network");
  return ok(url.href);
}
