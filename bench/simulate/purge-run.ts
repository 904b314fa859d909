import * as v from "valibot";
import { ok } from "../../shared/lib/base/result.ts";
import {
  newIsolate,
  SimulatedBackends,
  type SimulatedIsolate,
} from "../../test/support/cache-fleet.ts";
import { randomFrom } from "../../test/support/random.ts";
import { VirtualClock } from "../../test/support/virtual-clock.ts";
import { arrive } from "./arrivals.ts";
import { AskingReader } from "./asked-index.ts";
import { ObjectQueue } from "./object-queue.ts";

/** `view`: the isolates' synced views. `asked`: the index is asked on every read. */
export type ReadKind = "view" | "asked";

export type PurgePlan = {
  reads: ReadKind;
  isolates: number;
  /** Of each isolate. */
  readsPerSecond: number;
  boundMs: number;
  measuredMs: number;
  seed: number;
  /** Null, the default: an index that takes every request. */
  requestsPerSecond?: number | null;
};

/** What happened once the fleet was warm. */
export type PurgeRun = {
  reads: number;
  /** Purges that the index did not take at once, and that were repeated until it did. */
  purgesRepeated: number;
  /**
   * How long after a purge had returned a read still returned what it purged, for each such read.
   */
  stalenessMs: number[];
  indexRequests: number;
  loads: number;
  /** Reads that got no answer. */
  unanswered: number;
  readMs: number[];
  queue: ObjectQueue | null;
};

const WARM_UP_MS = 15_000;
const KEYS = 10;
const PURGE_EVERY_MS = 2_000;
const REPEAT_MS = 1_000;
const version = v.number();
/** One way, in milliseconds. */
const HOPS_MS: Readonly<Record<string, number>> = { index: 10, kv: 4, database: 10 };

/**
 * A fleet that reads a few keys over and over, while they change. The same plan has the same run.
 */
export async function runPurges(plan: PurgePlan): Promise<PurgeRun> {
  const { isolates, boundMs, requestsPerSecond = null } = plan;
  const random = randomFrom(plan.seed);
  const clock = new VirtualClock(0);
  const backends = new SimulatedBackends(clock);
  const queue = requestsPerSecond === null ? null : new ObjectQueue(clock, requestsPerSecond);
  backends.hop = async (label) => {
    const [, what = ""] = label.split(" ");
    await clock.sleep(HOPS_MS[what] ?? 0);
    if (queue !== null && label === "to index") await queue.turn();
  };
  const writer = newIsolate(backends, { random, boundMs });
  const readers = Array.from({ length: isolates }, () => readerOf(plan, backends, random));
  const superseded = new Map<string, number[]>();
  const run = {
    reads: 0,
    purgesRepeated: 0,
    unanswered: 0,
    stalenessMs: [] as number[],
    readMs: [] as number[],
  };
  let warm = false;

  const read = async (): Promise<void> => {
    const key = `user:${Math.floor(random() * KEYS)}`;
    const reader = readers[Math.floor(random() * isolates)];
    const calledAt = clock.now();
    const measured = warm;
    if (measured) run.reads += 1;
    const value = (await reader?.(key)) ?? null;
    if (!measured) return;
    run.readMs.push(clock.now() - calledAt);
    if (value === null) run.unanswered += 1;
    const endedAt = value === null ? undefined : superseded.get(key)?.[value];
    if (endedAt !== undefined) run.stalenessMs.push(clock.now() - endedAt);
  };

  /** A write, and the purge that it owes. */
  const change = async (): Promise<void> => {
    const key = `user:${Math.floor(random() * KEYS)}`;
    const next = (backends.versions.get(key) ?? 1) + 1;
    backends.versions.set(key, next);
    for (;;) {
      const { ok: taken } = await writer.tags.purge([key], "hard");
      if (taken) break;
      run.purgesRepeated += 1;
      await clock.sleep(REPEAT_MS);
    }
    const ends = superseded.get(key) ?? [];
    for (let old = 1; old < next; old += 1) ends[old] ??= clock.now();
    superseded.set(key, ends);
  };

  const arrivals = { perSecond: isolates * plan.readsPerSecond, random };
  await arrive(clock, { ...arrivals, forMs: WARM_UP_MS }, () => void read());
  warm = true;
  const before = { requests: backends.indexRequests, loads: backends.loads };
  for (let passedMs = 0; passedMs < plan.measuredMs; passedMs += PURGE_EVERY_MS) {
    void change();
    await arrive(clock, { ...arrivals, forMs: PURGE_EVERY_MS }, () => void read());
  }
  const indexRequests = backends.indexRequests - before.requests;
  const loads = backends.loads - before.loads;
  return { ...run, indexRequests, loads, queue };
}

type Reader = (key: string) => Promise<number | null>;

function readerOf(
  { reads, boundMs }: PurgePlan,
  backends: SimulatedBackends,
  random: () => number,
): Reader {
  if (reads === "asked") {
    const reader = new AskingReader(backends);
    return async (key) => await reader.read(key);
  }
  const { cache }: SimulatedIsolate = newIsolate(backends, { random, boundMs });
  return async (key) => {
    const answer = await cache.read<number, never>(key, {
      schema: version,
      tags: [],
      load: async () => ok(await backends.loadVersion(key)),
    });
    return answer.ok ? answer.value : null;
  };
}
