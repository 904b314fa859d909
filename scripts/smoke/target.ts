import {
  createClient,
  type Client,
  type ClientRequest,
} from "../../shared/contract/client/client.ts";
import type { Operation } from "../../shared/contract/operation.ts";
import { callOrThrow } from "../call.ts";

const TIMEOUT_MS = 15_000;

export type TargetSettings = { url: string; token: string | null; versions: string | null };

/** A deployment, seen from outside. */
export class Target {
  readonly url: string;
  readonly token: string | null;
  /** Whether any request got an answer. */
  hasAnswered = false;
  readonly #headers: Record<string, string>;

  /**
   * @param settings `versions`: the versions that must answer, in the format of
   * `Cloudflare-Workers-Version-Overrides`
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

  /** Uses the operator's token by default. */
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
    return await callOrThrow(this.client(token), operation, request);
  }
}

/** One check. `run` throws if it fails, and returns a note if it succeeds. */
export type Check = { name: string; run: (target: Target) => Promise<string> };
