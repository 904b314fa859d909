import { LRUCache } from "lru-cache";
import type { Failure } from "../../shared/http/failure.ts";
import { networkOf } from "../../shared/lib/base/network.ts";
import { fail } from "../../shared/lib/base/result.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import type { ApiEnv } from "../env.ts";

/**
 * The limits of wrangler.api.toml, for the header RateLimit-Policy
 * (draft-ietf-httpapi-ratelimit-headers). The platform answers only yes or no, and each question
 * counts.
 */
export const limits = {
  key: { limit: 600, periodSeconds: 60 },
  ip: { limit: 120, periodSeconds: 60 },
} as const;

export const tooMany = fail<Failure>({
  tag: "rate-limited",
  retryAfterMs: limits.key.periodSeconds * 1_000,
});
export type TooMany = typeof tooMany;

/** Counts one more request of a key. A failing limiter lets every request through. */
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

/** When the limiter last refused a network, in this isolate. */
const refusedAt = new LRUCache<string, number>({ max: 10_000 });

/**
 * The limit of the network that a request comes from. `charge` counts the request. `mayTry` comes
 * before the work on a credential that may be wrong: it counts the request only while the network
 * is over its limit, so that right credentials are not counted, and a refused request causes no
 * work.
 */
export class NetworkLimit {
  readonly #env: Pick<ApiEnv, "RATE_LIMIT_IP">;
  readonly #network: string;
  readonly #now: number;
  #isCharged = false;

  constructor(env: Pick<ApiEnv, "RATE_LIMIT_IP">, request: Request, now: number) {
    this.#env = env;
    this.#network = networkOf(request.headers.get("CF-Connecting-IP") ?? "unknown");
    this.#now = now;
  }

  /** Counts the request, at most once. */
  async charge(): Promise<TooMany | null> {
    if (this.#isCharged) return null;
    this.#isCharged = true;
    if (await hasRoom(this.#env.RATE_LIMIT_IP, this.#network)) return null;
    refusedAt.set(this.#network, this.#now);
    return tooMany;
  }

  /** Refuses while the network is over its limit. */
  async mayTry(): Promise<TooMany | null> {
    const at = refusedAt.get(this.#network);
    const isOver = at !== undefined && this.#now - at < limits.ip.periodSeconds * 1_000;
    return isOver ? await this.charge() : null;
  }
}
