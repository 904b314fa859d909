import fc from "fast-check";
import { expect, it } from "vitest";
import { anyCommand } from "../../../../test/support/any-command.ts";
import {
  DependencyDown,
  isolate,
  policy,
  rejections,
  selfTiming,
  SimulatedObject,
  succeed,
  type Condition,
} from "../../../../test/support/fleet.ts";
import { runs } from "../../../../test/support/seed.ts";
import { VirtualClock } from "../../../../test/support/virtual-clock.ts";
import { defaultSettings as settings } from "../rules/settings.ts";
import type { Transition } from "../rules/transition.ts";
import { CircuitOpen } from "./circuit-open.ts";
import type { BreakerClient } from "./client.ts";

/**
 * Fleets of the real clients against the real decisions, on a virtual clock, behind a network that
 * delays and loses, with isolates that die, an object that is evicted and away, and operators that
 * interfere.
 */

const mayClose = new Set<Transition["cause"]>([
  "probe-succeeded",
  "recovered",
  "reset",
  "enable",
  "close",
  "disable",
]);

type End = "success" | "failure" | "mistake" | "never";

class World {
  readonly clock = new VirtualClock();
  readonly object = new SimulatedObject(this.clock);
  clients: BreakerClient[];
  /**
   * An isolate that died, or a message that was lost, can leave a permit with nobody until it
   * expires.
   */
  somethingWasLost = false;
  #probes = 0;
  #mostProbes = 0;

  constructor(size: number) {
    this.clients = Array.from({ length: size }, (_, n) => this.isolate(n));
  }

  /**
   * Every other one guards a dependency that times out by itself, which takes other ways through
   * the client.
   */
  isolate(n: number): BreakerClient {
    return isolate(this.object, { policy: n % 2 === 0 ? policy : selfTiming });
  }

  /**
   * A request that is gone: what it waited for never comes, and what it was to do is not done.
   */
  async dyingCall(n: number): Promise<void> {
    const after = this.clock.after.bind(this.clock);
    this.clock.after = () => () => undefined;
    this.call(n, 1, "success", 50);
    await this.clock.advance(0);
    this.clock.after = after;
    this.somethingWasLost = true;
  }

  /** Calls by some of the isolates, each of which takes `ms` and ends as `end`. */
  call(from: number, count: number, end: End, ms: number): void {
    for (let n = 0; n < count; n += 1) {
      const client = this.clients[(from + n) % this.clients.length];
      if (client !== undefined)
        void client
          .run((signal) => this.#operation(client, end, ms, signal))
          .catch(() => undefined);
    }
  }

  async #operation(
    { breaker }: BreakerClient,
    end: End,
    ms: number,
    signal: AbortSignal | undefined,
  ): Promise<string> {
    const snapshot = breaker.held?.snapshot;
    const isProbe =
      snapshot !== undefined && snapshot.state !== "CLOSED" && snapshot.ramp === undefined;
    if (isProbe) this.#mostProbes = Math.max((this.#probes += 1), this.#mostProbes);
    // One that times out by itself does so without a signal.
    const aborted =
      signal === undefined
        ? this.clock.sleep(policy.timeoutMs)
        : new Promise((resolve) => signal.addEventListener("abort", resolve));
    await (end === "never" ? aborted : Promise.race([this.clock.sleep(ms), aborted]));
    if (isProbe) this.#probes -= 1;
    if (end === "failure") throw new DependencyDown("down");
    if (end === "mistake") throw new SyntaxError("a corrupt value");
    return "value";
  }

  check(): void {
    const { transitions, grants } = this.object;
    const wentBack = transitions.some(({ epoch }, n) => epoch < (transitions[n - 1]?.epoch ?? 0));
    expect(wentBack, "an epoch never goes back").toBe(false);
    const closedBy = transitions.flatMap(({ to, cause }) =>
      to === "CLOSED" && !mayClose.has(cause) ? [cause] : [],
    );
    expect(closedBy).toEqual([]);
    expect(this.#mostProbes, "one probe in the world").toBeLessThanOrEqual(1);
    expect(new Set(grants.map(({ id }) => id)).size, "a permit is given once").toBe(grants.length);
  }

  /** Once no call is under way, a permit that is still out belongs to nobody. */
  async checkPermit(): Promise<void> {
    // The longest: a permit that is late, waits for a call in vain and is given back. It would have
    // expired a little later.
    await this.clock.advance(9_900);
    const { phase } = this.object.memory;
    if (phase.state === "HALF_OPEN" && !this.somethingWasLost)
      expect(phase.permit, "no permit is without a holder").toBeNull();
  }
}

type Model = { epochs: number[] };
const step = <Choice>(
  name: string,
  choice: Choice,
  run: (world: World, choice: Choice) => Promise<void>,
): fc.AsyncCommand<Model, World> => ({
  check: () => true,
  async run(model, world) {
    await run(world, choice);
    world.check();
    const epochs = world.clients.map(({ breaker }) => breaker.held?.snapshot.epoch ?? 0);
    // One assertion a step: a million of them are most of the time that this takes.
    const wentBack = epochs.flatMap((epoch, n) =>
      epoch > 0 && epoch < (model.epochs[n] ?? 0) ? [n] : [],
    );
    expect(wentBack, "no isolate goes back to an older epoch").toEqual([]);
    model.epochs = epochs.map((epoch, n) => Math.max(epoch, model.epochs[n] ?? 0));
  },
  toString: () => `${name}(${JSON.stringify(choice)})`,
});

const end = fc.constantFrom<End>("success", "failure", "failure", "failure", "mistake", "never");
const steps = [
  fc
    .tuple(fc.nat(49), fc.integer({ min: 1, max: 50 }), end, fc.integer({ min: 0, max: 8_000 }))
    .map((choice) =>
      step("call", choice, async (world, [from, count, how, ms]) =>
        world.call(from, count, how, ms),
      ),
    ),
  fc
    .oneof(
      fc.integer({ min: 1, max: 3_000 }),
      fc.integer({ min: 1, max: 12_000 }),
      fc.integer({ min: 20_000, max: 400_000 }),
    )
    .map((ms) => step("wait", ms, async (world, waited) => await world.clock.advance(waited))),
  fc.constant(step("evict", null, async (world) => world.object.evict())),
  fc.nat(49).map((n) =>
    step("isolate dies", n, async (world, which) => {
      const index = which % world.clients.length;
      world.clients[index] = world.isolate(index);
      world.somethingWasLost = true;
    }),
  ),
  fc
    .nat(49)
    .map((n) => step("request dies", n, async (world, which) => await world.dyingCall(which))),
  fc.constantFrom<Condition>("up", "up", "throws", "hangs", "loses-replies").map((condition) =>
    step("condition", condition, async (world, now) => {
      world.object.condition = now;
      if (now !== "up") world.somethingWasLost = true;
    }),
  ),
  fc
    .constantFrom(0, 20, 400, 1_500, 2_500)
    .map((ms) =>
      step("latency", ms, async (world, latency) => void (world.object.latencyMs = latency)),
    ),
  anyCommand.map((command) =>
    step("operator", command, async (world, asked) => world.object.command(asked)),
  ),
  fc.constant(step("clock back", null, async (world) => world.clock.setBack(3_600_000))),
];

/** Lets every isolate serve a call each `everyMs`, and returns whether each was let through. */
async function traffic(world: World, forMs: number, everyMs: number): Promise<boolean[]> {
  let through: boolean[] = [];
  for (let passed = 0; passed < forMs; passed += everyMs) {
    const answers = Promise.all(
      world.clients.map((client) => client.run(succeed).catch(() => "error")),
    );
    await world.clock.advance(everyMs);
    through = (await answers).map((answer) => !(answer instanceof CircuitOpen));
  }
  return through;
}

/**
 * The network heals and the dependency is healthy: nobody stays out, nothing stays stale, and it
 * still trips.
 */
async function recover(world: World): Promise<void> {
  world.object.condition = "up";
  // The network may stay slow, as long as a question is answered before it is given up.
  world.object.latencyMs = Math.min(world.object.latencyMs, 1_500);
  if (["forced-open", "forced-closed", "disabled"].includes(world.object.memory.override.kind))
    world.object.command({ do: "enable" });
  // The longest open time, a permit that nobody ends, the longest pause of an isolate that gave the
  // object up, and the slowest ramp.
  const longestMs = settings.maxOpenMs + 10_000 + 36_000 + 60_000;
  await traffic(world, longestMs + 2 * settings.leaseMs, 4_000);
  expect(world.object.snapshot.state, "a healthy dependency always closes it again").toBe("CLOSED");
  expect(await traffic(world, 2_000, 1_000), "and then every call gets through").not.toContain(
    false,
  );
  expect(
    world.clients.every(({ breaker }) => breaker.local === null),
    "and the object has won everywhere",
  ).toBe(true);

  for (const command of [{ do: "open", forMs: null }, { do: "reset" }] as const) {
    world.object.command(command);
    const through = await traffic(world, settings.leaseMs + world.object.latencyMs + 500, 250);
    expect(through, "no snapshot outlasts its time and a round trip").not.toContain(
      command.do === "open",
    );
  }

  await world.clock.advance(2 * settings.windowMs);
  for (let n = 0; n < settings.failures; n += 1) {
    void isolate(world.object)
      .run(async () => {
        throw new DependencyDown("down");
      })
      .catch(() => undefined);
    await world.clock.advance(200 + 2 * world.object.latencyMs);
    world.object.evict();
  }
  expect(world.object.snapshot.state, "isolates of one call each trip it").toBe("OPEN");
}

it(`fleets of 1 to 50 isolates, with any failures of calls, messages, isolates, object and clock (${runs} runs)`, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 50 }),
      fc.commands(steps, { maxCommands: 40, size: "max" }),
      async (size, commands) => {
        const world = new World(size);
        await fc.asyncModelRun(() => ({ model: { epochs: [] }, real: world }), commands);
        await world.checkPermit();
        await recover(world);
        expect(rejections.splice(0)).toEqual([]);
      },
    ),
    { numRuns: runs },
  );
});
