import { useEffect, useMemo } from "preact/hooks";
import type { AnswerBody, CallFailure, CalledOperation, CallOutcome, RequestOf } from "./api.ts";
import { nextDelayMs } from "./poll.ts";
import { call, session } from "./session.ts";
import { Store, useStore } from "./store.ts";

/**
 * The last answer with its time, and the current failure with its start. An old answer stays until
 * a new one arrives.
 */
export type Reading<Body> = {
  body: Body | null;
  at: number | null;
  failure: (CallFailure & { since: number }) | null;
};

const EVERY_MS = 5_000;

/** Polls while it is watched: not in a hidden tab, less often after failures. */
export class Resource<Id extends CalledOperation> {
  readonly store = new Store<Reading<AnswerBody<Id>>>({ body: null, at: null, failure: null });
  readonly #read: () => Promise<CallOutcome<AnswerBody<Id>>>;
  #failures = 0;
  /** The interval that each watcher needs. */
  readonly #watchers = new Set<{ everyMs: number }>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #reading: Promise<void> | null = null;

  constructor(read: () => Promise<CallOutcome<AnswerBody<Id>>>) {
    this.#read = read;
  }

  watch(everyMs: number): () => void {
    const watcher = { everyMs };
    const isFaster = everyMs < this.#everyMs();
    this.#watchers.add(watcher);
    // A faster watcher does not wait for the old interval.
    if (isFaster) void this.refresh();
    return () => {
      this.#watchers.delete(watcher);
      if (this.#watchers.size === 0) clearTimeout(this.#timer);
    };
  }

  /** The shortest interval of all watchers. */
  #everyMs(): number {
    return Math.min(...[...this.#watchers].map(({ everyMs }) => everyMs));
  }

  /** Reads now. A read in flight may have begun before the change, so it is followed by another. */
  async refresh(): Promise<void> {
    if (this.#watchers.size === 0) return;
    await this.#reading;
    clearTimeout(this.#timer);
    this.#reading ??= this.#once().finally(() => (this.#reading = null));
    await this.#reading;
  }

  async #once(): Promise<void> {
    const answer = await this.#read();
    const now = Date.now();
    this.store.value = readingAfter(this.store.value, answer, now);
    this.#failures = answer.ok ? 0 : this.#failures + 1;
    if (this.#watchers.size === 0 || document.hidden || session.value.state !== "signed-in") return;
    const delayMs = nextDelayMs(
      this.#everyMs(),
      this.#failures,
      answer.ok ? null : answer.retryAfterMs,
      Math.random(),
    );
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.refresh(), delayMs);
  }
}

function readingAfter<Body>(
  before: Reading<Body>,
  answer: CallOutcome<Body>,
  now: number,
): Reading<Body> {
  if (answer.ok) return { body: answer.body, at: now, failure: null };
  return { ...before, failure: { ...answer, since: before.failure?.since ?? now } };
}

const resources = new Map<string, Resource<CalledOperation>>();

/** Reads everything on the page again, for example after a write. */
export async function refreshAll(): Promise<void> {
  await Promise.all([...resources.values()].map((resource) => resource.refresh()));
}

document.addEventListener("visibilitychange", () => document.hidden || void refreshAll());
window.addEventListener("online", () => void refreshAll());
/** The next operator must not see the answers of this one. */
session.subscribe(() => session.value.state === "signed-out" && resources.clear());

/** The answer of an operation, kept up to date while it is shown. */
export function useResource<Id extends CalledOperation>(
  id: Id,
  request?: RequestOf<Id>,
  everyMs = EVERY_MS,
): Reading<AnswerBody<Id>> {
  return useReading(JSON.stringify([id, request]), () => call<Id>(id, request), everyMs);
}

/** An answer that is made from several. `key`: of all that it is made from. */
export function useReading<Id extends CalledOperation>(
  key: string,
  read: () => Promise<CallOutcome<AnswerBody<Id>>>,
  everyMs = EVERY_MS,
): Reading<AnswerBody<Id>> {
  const resource = useMemo(() => {
    const known = resources.get(key) as unknown as Resource<Id> | undefined;
    if (known !== undefined) return known;
    const made = new Resource<Id>(read);
    resources.set(key, made as unknown as Resource<CalledOperation>);
    return made;
  }, [key]);
  useEffect(() => resource.watch(everyMs), [resource, everyMs]);
  return useStore(resource.store);
}
