import fc from "fast-check";
import { expect, it } from "vitest";
import { runs } from "../../../../../test/support/seed.ts";
import { SimulatedIndex } from "../../../../../test/support/simulated-index.ts";
import type { PurgeMode, Stamp } from "./sequence.ts";
import { TagView } from "./view.ts";

/**
 * Isolates that read through their views while others write and purge: loads that take as long as
 * they like, answers that arrive late and in any order, a KV that is a minute behind, an index that
 * forgets. Nobody may be served what a finished purge forbids.
 */
const BOUND_MS = 2_000;
const KV_BEHIND_MS = 60_000;
const keys = ["user:1", "user:2", "user:3", "email:1", "email:2"];
/** Its own key, the pattern that it falls under, and what it is about. */
const tagsOf = (key: string): string[] => [
  key,
  `${key.split(":")[0]}:*`,
  `about:${key.split(":")[1]}`,
];

type Entry = { version: number; stamp: Stamp };
type Load = { key: string; stamp: Stamp; version: number | null };
/**
 * A purge whose answer has arrived: from here on its isolate, and a bound later every isolate, must
 * not serve older versions.
 */
type Finished = { key: string; version: number; at: number; by: number };

class Isolate {
  // Small enough to drop tags all the time.
  view = new TagView(4);
  readonly l1 = new Map<string, Entry>();
  loads: Load[] = [];
  /** Answers on their way. */
  answers: (() => void)[] = [];
  /** Purges that it could not deliver itself, yet. */
  retries: (() => void)[] = [];
}

class World {
  now = 1_700_000_000_000;
  hits = 0;
  readonly index = new SimulatedIndex();
  readonly database = new Map(keys.map((key) => [key, 1]));
  readonly kv = new Map<string, { at: number; entry: Entry }[]>();
  readonly isolates = [new Isolate(), new Isolate(), new Isolate()];
  readonly finished: Finished[] = [];
  /** Purges that an isolate could not deliver: the sweeper does. */
  undelivered: (() => void)[] = [];

  isolate(n: number): Isolate {
    return this.isolates[n] ?? expect.fail();
  }

  sync(n: number): () => void {
    const { view } = this.isolate(n);
    const asked = { at: this.now, since: view.stamp };
    const reply = this.index.answerSync({ since: asked.since });
    return () => void view.sync(reply, asked, this.now);
  }

  write(n: number, key: string, delivery: "now" | "late" | "lost"): void {
    const version = (this.database.get(key) ?? 0) + 1;
    this.database.set(key, version);
    const isolate = this.isolate(n);
    // By any of its tags, and by some that nobody carries.
    const tags = [tagsOf(key)[version % 3] ?? key, `unused:${version % 7}`];
    const endInvalidation = isolate.view.beginInvalidation(tags);
    // The isolate that has written and not purged yet holds to it at once.
    this.finished.push({ key, version, at: Number.POSITIVE_INFINITY, by: n });
    const purge = (): void => this.index.purge(tags, "hard");
    if (delivery === "lost") {
      this.undelivered.push(() => {
        purge();
        this.finished.push({ key, version, at: this.now, by: -1 });
      });
      isolate.retries.push(() => {
        const again = { at: this.now, since: isolate.view.stamp };
        purge();
        if (isolate.view.sync(this.index.answerSync({ since: again.since }), again, this.now))
          endInvalidation();
      });
      return;
    }
    const asked = { at: this.now, since: isolate.view.stamp };
    purge();
    const reply = this.index.answerSync({ since: asked.since });
    const arrive = (): void => {
      // Of a former index: the purge is lost with it, and this isolate goes on holding to its
      // write.
      if (!isolate.view.sync(reply, asked, this.now)) return;
      endInvalidation();
      this.finished.push({ key, version, at: this.now, by: n });
    };
    if (delivery === "now") arrive();
    else isolate.answers.push(arrive);
  }

  /** The reader's side of the protocol, up to the point where a load would begin. */
  read(n: number, key: string, kvAge: number): void {
    const isolate = this.isolate(n);
    const { view } = isolate;
    if (view.ageMs(this.now) > BOUND_MS) this.sync(n)();
    const entry = isolate.l1.get(key) ?? this.readKv(key, kvAge);
    if (entry !== undefined && this.freshness(n, key, entry) !== "purged")
      this.serve(n, key, entry.version);
    else if (view.stamp !== null) isolate.loads.push({ key, stamp: view.stamp, version: null });
  }

  freshness(n: number, key: string, { stamp }: Entry): string {
    const { view } = this.isolate(n);
    const tags = tagsOf(key);
    if (view.freshness(stamp, tags) === "look-up") {
      const reply = this.index.lookUp(view.missing(tags));
      // Some answers are late: the reader does without, and the next one has it.
      if (reply.meta.seq % 2 === 0) view.lookUp(reply);
      else this.isolate(n).answers.push(() => view.lookUp(reply));
    }
    const freshness = view.freshness(stamp, tags);
    // Its purges are unknown, so nothing is served.
    return freshness === "look-up" || freshness === "unknown" ? "purged" : freshness;
  }

  readKv(key: string, age: number): Entry | undefined {
    const seenAt = this.now - (age % KV_BEHIND_MS);
    return this.kv.get(key)?.findLast(({ at }) => at <= seenAt)?.entry;
  }

  /** A load goes on: it reads the database, then it is stored, in any order. */
  load(n: number, which: number): void {
    const isolate = this.isolate(n);
    const load = isolate.loads[which % Math.max(isolate.loads.length, 1)];
    if (load === undefined) return;
    if (load.version === null) {
      load.version = this.database.get(load.key) ?? 0;
      return;
    }
    isolate.loads = isolate.loads.filter((other) => other !== load);
    const entry = { version: load.version, stamp: load.stamp };
    isolate.l1.set(load.key, entry);
    this.kv.set(load.key, [...(this.kv.get(load.key) ?? []), { at: this.now, entry }]);
  }

  /** A read whose load, if there is one, is done at once. */
  readAndLoad(n: number, key: string): void {
    const { loads } = this.isolate(n);
    const before = loads.length;
    this.read(n, key, 0);
    if (loads.length === before) return;
    this.load(n, before);
    this.load(n, before);
  }

  serve(n: number, key: string, version: number): void {
    this.hits += 1;
    for (const purge of this.finished) {
      if (purge.key !== key || version >= purge.version) continue;
      expect(purge.by, "the isolate that wrote never serves the old value").not.toBe(n);
      expect(purge.at, "no isolate serves it later than the bound").toBeGreaterThanOrEqual(
        this.now - BOUND_MS,
      );
    }
  }
}

type Step = { run: (world: World) => void; toString: () => string };
const step = <Choice>(
  name: string,
  choice: Choice,
  run: (world: World, choice: Choice) => unknown,
): Step => ({
  run: (world) => void run(world, choice),
  toString: () => `${name}(${JSON.stringify(choice)})`,
});
const isolate = fc.nat(2);
const key = fc.constantFrom(...keys);

const steps: fc.Arbitrary<Step>[] = [
  fc
    .tuple(
      isolate,
      key,
      fc.constantFrom("now" as const, "now" as const, "late" as const, "lost" as const),
    )
    .map((choice) =>
      step("write", choice, (world, [n, at, delivery]) => world.write(n, at, delivery)),
    ),
  ...Array.from({ length: 3 }, () =>
    fc
      .tuple(isolate, key, fc.nat(120_000))
      .map((choice) => step("read", choice, (world, [n, at, age]) => world.read(n, at, age))),
  ),
  ...Array.from({ length: 3 }, () =>
    fc
      .tuple(isolate, key)
      .map((choice) => step("read and load", choice, (world, [n, at]) => world.readAndLoad(n, at))),
  ),
  ...Array.from({ length: 3 }, () =>
    fc
      .tuple(isolate, fc.nat(9))
      .map((choice) => step("load", choice, (world, [n, which]) => world.load(n, which))),
  ),
  isolate.map((n) =>
    step("ask", n, (world, asker) => void world.isolate(asker).answers.push(world.sync(asker))),
  ),
  fc.tuple(isolate, fc.nat(9)).map((choice) =>
    step("answer", choice, (world, [n, which]) => {
      const { answers } = world.isolate(n);
      answers.splice(which % Math.max(answers.length, 1), 1).forEach((arrive) => arrive());
    }),
  ),
  isolate.map((n) =>
    step("retry", n, (world, which) =>
      world
        .isolate(which)
        .retries.splice(0)
        .forEach((retry) => retry()),
    ),
  ),
  fc.constant(
    step("sweep", null, (world) => world.undelivered.splice(0).forEach((deliver) => deliver())),
  ),
  fc.constantFrom<PurgeMode>("hard", "soft").map((mode) =>
    step("purge all", mode, (world, how) => {
      world.index.purgeEverything(how);
    }),
  ),
  fc
    .nat(20)
    .map((back) =>
      step("forget", back, (world, by) => world.index.forget(world.index.meta.seq - by)),
    ),
  fc
    .nat(9)
    .map((luck) => step("lose the index", luck, (world, bad) => bad === 0 && world.index.lose())),
  isolate.map((n) =>
    step("new isolate", n, (world, which) => {
      // It has nothing of the pending invalidations of the old one.
      for (const purge of world.finished) if (purge.by === which) purge.by = -1;
      world.isolates[which] = new Isolate();
    }),
  ),
  fc
    .oneof(fc.integer({ min: 1, max: 1_500 }), fc.integer({ min: 1_500, max: 90_000 }))
    .map((ms) => step("wait", ms, (world, waited) => void (world.now += waited))),
];

it(`in any order of loads, purges, syncs and answers, no read gets what a finished purge forbids (${runs} runs)`, () => {
  let hits = 0;
  fc.assert(
    fc.property(
      fc.array(fc.oneof(...steps), { minLength: 20, maxLength: 250, size: "max" }),
      (history) => {
        const world = new World();
        for (const { run } of history) run(world);
        hits += world.hits;
      },
    ),
    { numRuns: runs },
  );
  expect(hits, "a check that nothing is ever served proves nothing").toBeGreaterThan(runs);
});
