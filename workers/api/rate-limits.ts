import { describeError, log } from "../../shared/lib/worker/log.ts";

/**
 * The limits of wrangler.api.toml, for the header RateLimit-Policy
 * (draft-ietf-httpapi-ratelimit-headers). The platform answers only yes or no.
 */
export const limits = {
  key: { limit: 600, periodSeconds: 60 },
  ip: { limit: 120, periodSeconds: 60 },
} as const;

/** Whether there is room for one more request. A failing limiter lets every request through. */
export async function hasRoom(limiter: RateLimit, key: string): Promise<boolean> {
  try {
    return (await limiter.limit({ key })).success;
  } catch (error) {
    log("error", "rate_limit.failed", describeError(error));
    return true;
  }
}

export function policyField(by: keyof typeof limits): string {
  const { limit, periodSeconds } = limits[by];
  return `"${by}";q=${limit};w=${periodSeconds}`;
}
