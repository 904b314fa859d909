import fc from "fast-check";
import * as v from "valibot";
import { afterAll, expect, it } from "vitest";
import {
  newIsolate,
  rejections,
  SimulatedBackends,
  type SimulatedIsolate,
  type Condition,
} from "../../../../test/support/cache-fleet.ts";
import { runs } from "../../../../test/support/seed.ts";
import { VirtualClock } from "../../../../test/support/virtual-clock.ts";
import { fail, ok } from "../../base/result.ts";
import type { Consistency, ReadOptions } from "../rules/read.ts";
import type { PurgeTags } from "../tags/rules/rpc.ts";

/**
 * Several isolates with the real cache, before an index, a KV that is up to a minute behind and a
 * D1, whose questions and answers fast-check's scheduler delivers in any order. Each reader,
 * however it comes about, is never answered what a finished purge forbids.
 */
const BOUND_MS = 2_000;
const keys = ["user:1", "user:1:usage", "email:1", "user:2"] as const;
type Key = (typeof keys)[number];
const ownerOf = (key: Key): string => `user:${key.split(":")[1]}`;

/** A purge that has returned to its caller. `by`: the isolate, or -1 for the sweeper. */
type Finished = { key: Key; version: number; at: number; order: number; by: number };

const schema = v.number();
const served = { hit: 0, forwarded: 0, unanswered: 0 };

class World {
  readonly clock = new VirtualClock();
  readonly backends = new SimulatedBackends(this.clock);
  isolates: SimulatedIsolate[] = [];
  /** An isolate of the release before, whose reads lack the tag of the owner. */
  readonly before: SimulatedIsolate;
  readonly finished: Finished[] = [];
  /** Rows of `purge_intents`. */
  readonly intents = new Set<{ tags: string[]; affects: { key: Key; version: number }[] }>();
  readonly failures: unknown[] = [];
  /**
   * A view looks younger than it is to a clock that was set back to where it was asked: then no
   * bound can be kept, only what is known.
   */
  wasSetBack = false;
  reads = 0;
  order = 0;

  constructor(scheduler: fc.Scheduler) {
    this.backends.hop = async (label) => await scheduler.schedule(Promise.resolve(), label);
    this.isolates = [0, 1, 2].map(() => this.newIsolate());
    this.before = this.newIsolate();
  }

  newIsolate(): SimulatedIsolate {
    return newIsolate(this.backends, {
      maxTags: 6,
      boundMs: BOUND_MS,
      ttlMs: 30_000,
      random: () => 0.7,
    });
  }

  at(n: number): SimulatedIsolate {
    return this.isolates[n] ?? expect.fail();
  }

  version(key: Key): number {
    return this.backends.versions.get(key) ?? 1;
  }

  options(key: Key, consistency: Consistency): ReadOptions<number, "down"> {
    const load: ReadOptions<number, "down">["load"] = async (_signal, keep) => {
      try {
        const found = await this.backends.loadVersions(
          keys.filter((other) => ownerOf(other) === ownerOf(key)),
        );
        for (const [other, version] of found)
          keep(other, version, { schema, tags: [ownerOf(other)] });
        return ok(found.get(key) ?? expect.fail());
      } catch {
        return fail("down");
      }
    };
    return {
      schema,
      load,
      tags: key === "email:1" ? () => [ownerOf(key)] : [ownerOf(key)],
      consistency,
      staleWhileRevalidateMs: 20_000,
    };
  }

  read(n: number, key: Key, consistency: Consistency): void {
    const isolate = this.at(n);
    const began = { at: this.clock.now(), order: (this.order += 1) };
    this.reads += 1;
    void this.check(n, isolate, { key, consistency, began });
  }

  /** Its answers are as that release made them. What it writes to KV, others read. */
  readByReleaseBefore(key: Key): void {
    void this.before.cache.read(key, { ...this.options(key, "stale-ok"), tags: [] });
  }

  async check(
    n: number,
    isolate: SimulatedIsolate,
    {
      key,
      consistency,
      began,
    }: { key: Key; consistency: Consistency; began: { at: number; order: number } },
  ): Promise<void> {
    const read = await isolate.cache.read(key, this.options(key, consistency));
    this.reads -= 1;
    // The answer of an isolate that has died reaches nobody.
    if (this.isolates[n] !== isolate) return;
    if (!read.ok) {
      served.unanswered += 1;
      return;
    }
    const { status } = read;
    served[status.kind] += 1;
    // Neither index nor origin answer: then what was last known of purges holds, and the answer
    // shows it.
    const uninformed = isolate.tags.view.ageMs(this.clock.now()) > BOUND_MS;
    const emergency = status.kind === "forwarded" && status.detail === "origin-error" && uninformed;
    for (const purge of this.finished) {
      if (purge.key !== key || (read.value ?? 0) >= purge.version) continue;
      const purgedBefore = purge.order < began.order;
      const broken =
        (purge.by === n && purgedBefore && "the isolate that purged") ||
        (purgedBefore &&
          purge.at < Number.POSITIVE_INFINITY &&
          consistency === "strict" &&
          "a strict read") ||
        (purgedBefore &&
          began.at > purge.at + BOUND_MS &&
          !emergency &&
          !this.wasSetBack &&
          "a read later than the bound");
      if (broken !== false)
        this.failures.push(
          new Error(`${broken}: ${key} ${read.value} < ${purge.version} ${JSON.stringify(status)}`),
        );
    }
  }

  /**
   * A write as the API does it: a pending invalidation, one batch of the write and its purge, the
   * purge, the intent's end.
   */
  async write(n: number, key: Key, dies: boolean): Promise<void> {
    const isolate = this.at(n);
    const tags = [ownerOf(key), `unused:${this.order % 5}`];
    const endInvalidation = isolate.tags.beginInvalidation(tags);
    const affects = keys
      .filter((other) => ownerOf(other) === ownerOf(key))
      .map((other) => ({ key: other, version: this.version(other) + 1 }));
    const intent = { tags, affects };
    for (const { key: other, version } of affects) this.backends.versions.set(other, version);
    this.intents.add(intent);
    if (dies) {
      this.replace(n);
      return;
    }
    const purged = await isolate.cache.purge(tags);
    endInvalidation();
    if (purged.ok) this.intents.delete(intent);
    // It holds to its write either way; others do when the purge has succeeded.
    this.finish(
      affects,
      purged.ok ? this.clock.now() : Number.POSITIVE_INFINITY,
      this.isolates[n] === isolate ? n : -1,
    );
  }

  async purge(n: number, tags: PurgeTags, affected: readonly Key[]): Promise<void> {
    const isolate = this.at(n);
    const affects = affected.map((key) => ({ key, version: this.version(key) }));
    const purged = await isolate.cache.purge(tags);
    this.finish(
      affects,
      purged.ok ? this.clock.now() : Number.POSITIVE_INFINITY,
      this.isolates[n] === isolate ? n : -1,
    );
  }

  finish(affects: { key: Key; version: number }[], at: number, by: number): void {
    this.order += 1;
    for (const { key, version } of affects)
      this.finished.push({ key, version, at, order: this.order, by });
  }

  /** The sweeper delivers what is left. */
  sweep(): void {
    if (this.backends.condition.index !== "up") return;
    for (const intent of this.intents) {
      this.backends.index.answerPurge({ since: null, tags: intent.tags, mode: "hard" });
      this.finish(intent.affects, this.clock.now(), -1);
      this.intents.delete(intent);
    }
  }

  /**
   * The process dies, and another isolate begins in its place: it has nothing of what the old one
   * held to.
   */
  replace(n: number): void {
    for (const purge of this.finished) if (purge.by === n) purge.by = -1;
    this.isolates[n] = this.newIsolate();
  }
}

type Step = { run: (world: World) => Promise<void> | void; toString: () => string };
const step = <Choice>(
  name: string,
  choice: Choice,
  run: (world: World, choice: Choice) => Promise<void> | void,
): Step => ({
  run: (world) => run(world, choice),
  toString: () => `${name}(${JSON.stringify(choice)})`,
});
const isolate = fc.nat(2);
const key = fc.constantFrom(...keys);
const consistency = fc.constantFrom<Consistency>("stale-ok", "stale-ok", "bounded", "strict");

const readStep = fc
  .tuple(isolate, key, consistency)
  .map((choice) => step("read", choice, (world, [n, at, how]) => world.read(n, at, how)));
const writeStep = fc
  .tuple(isolate, key, fc.nat(9))
  .map((choice) =>
    step("write", choice, (world, [n, at, luck]) => void world.write(n, at, luck === 0)),
  );
const patterns: [string[] | "everything", readonly Key[]][] = [
  [["user:1"], ["user:1", "user:1:usage", "email:1"]],
  [["user:1:*"], ["user:1:usage"]],
  [
    ["email:*", "user:2"],
    ["email:1", "user:2"],
  ],
  ["everything", keys],
];
/** Reads before and behind a purge of what they are about, all of them under way at once. */
const raceStep = fc
  .tuple(isolate, isolate, key, fc.nat(3), fc.constantFrom("write", "purge"))
  .map((choice) =>
    step("race", choice, (world, [n, writer, at, others, how]) => {
      for (let reader = 0; reader <= others; reader += 1)
        world.read(reader % 2 === 0 ? n : writer, at, "stale-ok");
      const owner = keys.filter((other) => ownerOf(other) === ownerOf(at));
      void (async () => {
        await (how === "write"
          ? world.write(writer, at, false)
          : world.purge(writer, [ownerOf(at)], owner));
        // At the very moment at which the purge returns: all that is under way began before it.
        for (let reader = 0; reader <= others; reader += 1)
          world.read(reader % 2 === 0 ? writer : n, at, "stale-ok");
      })();
    }),
  );
const steps: fc.Arbitrary<Step>[] = [
  raceStep,
  raceStep,
  ...Array.from({ length: 10 }, () => readStep),
  key.map((at) => step("read by old release", at, (world, its) => world.readByReleaseBefore(its))),
  writeStep,
  writeStep,
  fc
    .tuple(isolate, fc.constantFrom(...patterns))
    .map((choice) =>
      step("purge", choice, (world, [n, [tags, affected]]) => void world.purge(n, tags, affected)),
    ),
  fc
    .tuple(isolate, fc.constantFrom<string[] | "everything">(["user:1"], ["user:2"], "everything"))
    .map((choice) =>
      step("soft purge", choice, (world, [n, tags]) => void world.at(n).cache.purge(tags, "soft")),
    ),
  fc
    .oneof(
      fc.integer({ min: 1, max: 1_500 }),
      fc.integer({ min: 1, max: 2_500 }),
      fc.integer({ min: 1_500, max: 40_000 }),
    )
    .map((ms) => step("wait", ms, (world, waited) => world.clock.advance(waited))),
  fc
    .nat(60_000)
    .map((ms) =>
      step("kv behind", ms, (world, behind) => void (world.backends.kvBehindMs = behind)),
    ),
  fc
    .tuple(
      fc.constantFrom("index", "kv", "database"),
      fc.constantFrom<Condition>("up", "up", "up", "throws", "hangs", "loses-replies"),
    )
    .map((choice) =>
      step("condition", choice, (world, [what, condition]) => {
        world.backends.condition[what as "index"] = condition;
      }),
    ),
  fc.constant(step("sweep", null, (world) => world.sweep())),
  fc
    .nat(9)
    .map((back) =>
      step("forget", back, (world, by) =>
        world.backends.index.forget(world.backends.index.meta.seq - by),
      ),
    ),
  fc.tuple(fc.integer({ min: 1, max: 100_000 }), fc.nat(5)).map((choice) =>
    step("clock set back", choice, (world, [ms, luck]) => {
      if (luck > 0) return;
      world.clock.setBack(ms);
      world.wasSetBack = true;
    }),
  ),
  fc
    .nat(9)
    .map((luck) =>
      step("lose the index", luck, (world, bad) => void (bad === 0 && world.backends.index.lose())),
    ),
  isolate.map((n) => step("dies", n, (world, which) => world.replace(which))),
];

it("no read of any isolate, by whichever path, is answered what was purged", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(
        fc.tuple(fc.oneof(...steps), fc.oneof(fc.nat(6), fc.constant(100), fc.constant(100))),
        {
          minLength: 10,
          maxLength: 80,
          size: "max",
        },
      ),
      async (scheduler, history) => {
        const world = new World(scheduler);
        for (const [{ run }, deliveries] of history) {
          await run(world);
          await world.clock.advance(0);
          for (let n = 0; n < deliveries && scheduler.count() > 0; n += 1) {
            await scheduler.waitOne();
            await world.clock.advance(0);
          }
        }
        // Every read comes to an end.
        for (let n = 0; n < 40 && world.reads > 0; n += 1) {
          while (scheduler.count() > 0) {
            await scheduler.waitOne();
            await world.clock.advance(0);
          }
          await world.clock.advance(1_000);
        }
        await world.clock.advance(0);
        if (world.failures.length > 0) throw world.failures[0];
        expect(world.reads, "reads that never ended").toBe(0);
        expect(rejections).toEqual([]);
      },
    ),
    { numRuns: runs },
  );
});

afterAll(() => {
  // Histories in which nothing is ever served would prove nothing.
  process.stderr.write(`cache model: ${JSON.stringify(served)}\n`);
  expect(served.hit).toBeGreaterThan(runs);
  expect(served.forwarded).toBeGreaterThan(runs);
});
