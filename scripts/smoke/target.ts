import {
  createClient,
  type Client,
  type ClientRequest,
} from "../../shared/contract/client/client.ts";
import type { Operation } from "../../shared/contract/operation.ts";
import { call } from "../call.ts";

const TIMEOUT_MS = 15_000;

export type TargetSettings = { url: string; token: string | null; versions: string | null };

/** A deployment, as it is seen from outside. */
export class Target {
  readonly url: string;
  readonly token: string | null;
  /** Whether anything at all has come from there. */
  hasAnswered = false;
  readonly #headers: Record<string, string>;

  /**
   * @param settings `versions`: which of them are to answer, as
   * `Cloudflare-Workers-Version-Overrides` says it
   */
  constructor({ url, token, versions }: TargetSettings) {
    this.url = url.replace(/\/$/, "");
    this.token = token;
    this.#headers = versions === null ? {} : { "Cloudflare-Workers-Version-Overrides": versions };
  }

  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    return await this.#fetch(`${this.url}${path}`, { ...init, redirect: "manual" });
  }

  async #fetch(to: string | URL | Request, init: RequestInit = {}): Promise<Response> {
    const headers = { ...this.#headers, ...(init.headers as Record<string, string> | undefined) };
    const response = await fetch(to, { ...init, headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
    this.hasAnswered = true;
    return response;
  }

  /** Calls with the operator's token unless told otherwise. */
  client(token = this.token): Client {
    return createClient({
      baseUrl: this.url,
      token: token ?? undefined,
      fetch: (to, init) => this.#fetch(to, init),
    });
  }

  /** @throws Error if it does not succeed */
  async call<const Called extends Operation>(
    operation: Called,
    request?: ClientRequest<Called>,
    token = this.token,
  ) {
    return await call(this.client(token), operation, request);
  }
}

/**
 * One thing that has to hold; throws if it does not, and answers with what there is to say of it.
 */
export type Check = { name: string; run: (target: Target) => Promise<string> };
