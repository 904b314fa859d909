import { waitUntil } from "cloudflare:workers";
import { LRUCache } from "lru-cache";
import { isWrite, type Operation } from "../../shared/contract/operation.ts";
import {
  beginAudit,
  endAudit,
  insertAudit,
  insertAuditAlong,
  type AuditEntry,
} from "../../shared/database/audit-log.ts";
import { findState } from "../../shared/database/audit-states.ts";
import {
  changesBetween,
  changesOf,
  mayNameAddress,
  mergeChanges,
  type AuditState,
  type AuditValue,
  type Change,
} from "../../shared/database/rules/audit-changes.ts";
import type { Along } from "../../shared/email/outbox.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { httpStatusOf } from "../../shared/http/problem.ts";
import { within } from "../../shared/lib/base/deadline.ts";
import { sha256Hex } from "../../shared/lib/base/hash.ts";
import type { Result } from "../../shared/lib/base/result.ts";
import { describeError, log } from "../../shared/lib/worker/log.ts";
import type { ApiEnv } from "../env.ts";
import { isPersonalRead, scopeOf, type AuditScope } from "./audit-scope.ts";
import { actorOf, loggedActor, type Caller } from "./call.ts";

/** How long an operator waits for the log while D1 does not answer. */
const TIMEOUT_MS = 2_000;
/** An operator's page asks again every few seconds: one entry per object and hour. */
const READ_PRECISION_MS = 3_600_000;

type Request = {
  env: ApiEnv;
  caller: Caller;
  operation: Operation;
  /** As they stand in the URL. */
  params: Record<string, string>;
  now: number;
  requestId: string;
};

/** `write`: by an operator. `act`: by a user, on the security of an account. */
type Kind = { tag: "write" | "act"; scope: AuditScope } | { tag: "read" } | { tag: "none" };

function kindOf(operation: Operation, { role }: Caller): Kind {
  const isOperator = role === "operator";
  if (!isWrite(operation))
    return { tag: isOperator && isPersonalRead(operation.id) ? "read" : "none" };
  const scope = scopeOf(operation.id);
  if (scope === null || role === "anonymous") return { tag: "none" };
  if (isOperator) return { tag: "write", scope };
  return scope.ofUsers === true ? { tag: "act", scope } : { tag: "none" };
}

/** When this isolate last logged a read. */
const logged = new LRUCache<string, number>({ max: 10_000 });

/**
 * The entry of one request in the audit log. An operator's write is logged before it runs, so that
 * a crash in between leaves an entry, and how it ended, or in its own batch; other entries follow
 * the answer. A failure
 * of the log does not fail the request: while D1 is down an operator must still be able to reset
 * breakers.
 */
export class AuditTrail {
  readonly #request: Request;
  readonly #kind: Kind;
  readonly #id = crypto.randomUUID();
  #hasBegun = false;
  #hasEnded = false;
  #body: unknown;
  #before: { params: Record<string, string>; state: AuditState } | null = null;

  constructor(request: Request) {
    this.#request = request;
    this.#kind = kindOf(request.operation, request.caller);
  }

  /** Runs the request, and logs how it ended. */
  async follow(
    handle: () => Promise<Result<Response, Failure>>,
  ): Promise<Result<Response, Failure>> {
    if (this.#kind.tag === "none") return await handle();
    if (this.#kind.tag === "write" && this.#kind.scope.along === undefined) await this.#begin();
    let status: number = httpStatusOf.internal;
    try {
      const answer = await handle();
      status = answer.ok ? answer.value.status : httpStatusOf[answer.error.tag];
      return answer;
    } finally {
      this.#inBackground(this.#end(status));
    }
  }

  /** Notes what the request asks for, and the state of its object before. */
  async note(params: Record<string, string>, body: unknown): Promise<void> {
    this.#body = body;
    if (this.#kind.tag !== "act" && !this.#hasBegun) return;
    await this.#try(async () => {
      this.#before = { params, state: await within(TIMEOUT_MS, this.#state(params)) };
    });
  }

  /** What writes the entry in the batch of an operator's write; null if nothing does. */
  async along(): Promise<Along | null> {
    const status = this.#kind.tag === "write" ? this.#kind.scope.along : undefined;
    if (status === undefined) return null;
    const { env } = this.#request;
    const entry = await this.#entry(status, await this.#changes());
    return {
      statements: (written) => [insertAuditAlong(env.DB, entry, written)],
      committed: () => void (this.#hasEnded = true),
    };
  }

  /** Logs a write that an operator may not make. */
  refuse(failure: Failure): void {
    if (this.#kind.tag === "write") this.#inBackground(this.#insert(httpStatusOf[failure.tag], []));
  }

  async #begin(): Promise<void> {
    const { env, now, operation, requestId } = this.#request;
    await this.#try(async () => {
      const entry = { id: this.#id, at: now, actor: this.#actor(), operation: operation.id };
      const path = await this.#path();
      await within(TIMEOUT_MS, beginAudit(env.DB, { ...entry, path, requestId }));
      this.#hasBegun = true;
    });
  }

  async #end(status: number): Promise<void> {
    const { env, now } = this.#request;
    switch (this.#kind.tag) {
      case "write": {
        if (this.#hasEnded) return;
        if (this.#kind.scope.along !== undefined)
          return await this.#insert(status, status < 400 ? await this.#changes() : []);
        const changes = status < 400 ? await this.#changes() : [];
        // The entry may have been written although its reply was lost.
        return await endAudit(env.DB, { id: this.#id, status, changes });
      }
      case "act":
        return status < 400 ? await this.#insert(status, await this.#changes()) : undefined;
      case "read": {
        const read = `${this.#actor()} ${this.#request.operation.id} ${await this.#path()}`;
        if (status >= 400 || now - (logged.get(read) ?? -Infinity) < READ_PRECISION_MS) return;
        logged.set(read, now);
        return await this.#insert(status, []);
      }
      case "none":
    }
  }

  async #insert(status: number, changes: Change[]): Promise<void> {
    await insertAudit(this.#request.env.DB, await this.#entry(status, changes));
  }

  async #entry(status: number, changes: Change[]): Promise<AuditEntry> {
    const { now, operation, requestId } = this.#request;
    const entry = { id: this.#id, at: now, actor: this.#actor(), operation: operation.id };
    return { ...entry, path: await this.#path(), requestId, status, changes };
  }

  async #changes(): Promise<Change[]> {
    if (this.#kind.tag !== "write" && this.#kind.tag !== "act") return [];
    const asked = changesOf(this.#body, this.#kind.scope.fields ?? []);
    const observed =
      this.#before === null
        ? []
        : changesBetween(this.#before.state, await this.#state(this.#before.params));
    const changes: Change[] = [];
    for (const change of mergeChanges(observed, asked))
      changes.push(await withoutAddresses(change));
    return changes;
  }

  async #state(params: Record<string, string>): Promise<AuditState> {
    if (this.#kind.tag !== "write" && this.#kind.tag !== "act") return null;
    const observed = this.#kind.scope.state?.(params, this.#body);
    if (observed === undefined) return null;
    return await findState(this.#request.env.DB, observed.name, observed.ids);
  }

  #actor(): string {
    const { caller } = this.#request;
    return caller.role === "anonymous" ? caller.role : actorOf(caller);
  }

  /** The path with its parameters, but with a hash for what may be an address. */
  async #path(): Promise<string> {
    const { operation, params } = this.#request;
    const segments: string[] = [];
    for (const segment of operation.path.split("/")) {
      const value = segment.startsWith(":") ? (params[segment.slice(1)] ?? "") : segment;
      segments.push(/^[\w.:~-]{0,200}$/.test(value) ? value : await hashed(decoded(value)));
    }
    return segments.join("/");
  }

  #inBackground(work: Promise<void>): void {
    waitUntil(this.#try(() => work));
  }

  async #try(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      log("error", "audit.failed", {
        actor: loggedActor(this.#actor()),
        operation: this.#request.operation.id,
        ...describeError(error),
      });
    }
  }
}

const HASH_LENGTH = 12;

/** What an operator who knows the address can compute again. */
export const hashed = async (text: string): Promise<string> =>
  `sha256:${(await sha256Hex(text.toLowerCase())).slice(0, HASH_LENGTH)}`;

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}

const withoutAddress = async (value: AuditValue): Promise<AuditValue> =>
  typeof value === "string" && mayNameAddress(value) ? await hashed(value) : value;

async function withoutAddresses({ field, from, to }: Change): Promise<Change> {
  return {
    field,
    ...(from !== undefined && { from: await withoutAddress(from) }),
    ...(to !== undefined && { to: await withoutAddress(to) }),
  };
}
