import { CircuitOpen } from "../../shared/lib/circuit-breaker/isolate/circuit-open.ts";
import {
  defaultSettings,
  type BreakerSettings,
} from "../../shared/lib/circuit-breaker/rules/settings.ts";
import { DependencyDown, selfTiming, SimulatedObject } from "../../test/support/fleet.ts";
import { randomFrom } from "../../test/support/random.ts";
import { VirtualClock } from "../../test/support/virtual-clock.ts";
import { arrive } from "./arrivals.ts";
import { ofItsOwn, ofTheFleet, type Guarded } from "./guarded.ts";
import { ObjectQueue } from "./object-queue.ts";
import { dependencyIn, isUpBetween, type Dependency, type Scenario } from "./scenario.ts";

export type BreakerKind = "fleet" | "isolate";

export type BreakerPlan = {
  breaker: BreakerKind;
  isolates: number;
  /** Per isolate. */
  callsPerSecond: number;
  /**
   * The mean number of calls in an isolate's life. Then a cold isolate replaces it.
   */
  lifeCalls?: number;
  scenario: Scenario;
  outageMs: number;
  afterMs: number;
  seed: number;
  /** The capacity of the object. Null, the default: no limit. */
  requestsPerSecond?: number | null;
  settings?: Partial<BreakerSettings>;
};

/** A second of the fleet's life. */
type Second = { calls: number; errors: number; rejected: number };

export type BreakerRun = {
  calls: number;
  /** Calls that failed, without failed probes. */
  errors: number;
  probes: number;
  /** Calls that were rejected although the dependency would have answered. */
  turnedAway: number;
  /**
   * From the end of the outage to the last call that failed or was rejected. Null if calls still
   * failed or were rejected at the end of the run.
   */
  recoveryMs: number | null;
  objectRequests: number;
  /** How often the fleet's breaker opened from CLOSED. */
  opened: number;
  /** From the beginning of the outage until it opened. Null if it did not. */
  openedAfterMs: number | null;
  /** The share of isolates with a local breaker when the outage begins. */
  localShare: number;
  seconds: Second[];
  queue: ObjectQueue | null;
};

export const WARM_UP_MS = 60_000;
const CALL_MS = 20;
/** A rejection so shortly before the end shows that the fleet has not recovered. */
const SETTLED_MS = 10_000;

/** A fleet before, in and after an outage. The same plan has the same run. */
export async function runBreakers(plan: BreakerPlan): Promise<BreakerRun> {
  const fleet = new Fleet(plan);
  const { isolates, outageMs, afterMs } = plan;
  const { clock, run } = fleet;
  const arrivals = { perSecond: isolates * plan.callsPerSecond, random: fleet.random };
  const call = (): void => fleet.call();
  await arrive(clock, { ...arrivals, forMs: WARM_UP_MS }, call);
  const localShare = fleet.localShare();
  await arrive(clock, { ...arrivals, forMs: outageMs + afterMs }, call);
  const upAgainAt = WARM_UP_MS + outageMs;
  const openings = fleet.object.transitions.filter(
    ({ from, to }) => from === "CLOSED" && to === "OPEN",
  );
  const first = openings.find(({ at }) => at >= WARM_UP_MS);
  const isOver = fleet.lastIssueAt < upAgainAt + afterMs - SETTLED_MS;
  return {
    ...run,
    localShare,
    opened: openings.length,
    openedAfterMs: first === undefined ? null : first.at - WARM_UP_MS,
    objectRequests: fleet.object.requests,
    recoveryMs: isOver ? Math.max(fleet.lastIssueAt - upAgainAt, 0) : null,
    queue: fleet.queue,
  };
}

/** The isolates with what they share, and what happened to their calls. */
class Fleet {
  readonly random: () => number;
  readonly clock = new VirtualClock(0);
  readonly object: SimulatedObject;
  readonly queue: ObjectQueue | null;
  readonly run = { calls: 0, errors: 0, probes: 0, turnedAway: 0, seconds: [] as Second[] };
  /** When the last call was made that failed or was rejected. */
  lastIssueAt = 0;
  readonly #plan: BreakerPlan;
  readonly #settings: BreakerSettings;
  readonly #dependency: Dependency;
  readonly #isolates: Guarded[];

  constructor(plan: BreakerPlan) {
    const { isolates, scenario, outageMs, requestsPerSecond = null } = plan;
    this.#plan = plan;
    this.random = randomFrom(plan.seed);
    this.#settings = { ...defaultSettings, ...plan.settings };
    this.object = new SimulatedObject(this.clock, this.#settings);
    this.queue = requestsPerSecond === null ? null : new ObjectQueue(this.clock, requestsPerSecond);
    if (this.queue !== null) this.object.turn = this.queue.turn;
    const perSecond = isolates * plan.callsPerSecond;
    this.#dependency = dependencyIn(scenario, outageMs, isolates, perSecond);
    this.#isolates = Array.from({ length: isolates }, () => this.#newIsolate());
  }

  localShare(): number {
    return this.#isolates.filter((guarded) => guarded.isLocal()).length / this.#plan.isolates;
  }

  /** A call of a random isolate, which may end the isolate's life. */
  call(): void {
    const { isolates, scenario, outageMs, lifeCalls = Number.POSITIVE_INFINITY } = this.#plan;
    const { run, clock } = this;
    const n = Math.floor(this.random() * isolates);
    const guarded = this.#isolates[n];
    if (guarded === undefined) return;
    const calledAt = clock.now();
    const second = (run.seconds[Math.floor(calledAt / 1_000)] ??= {
      calls: 0,
      errors: 0,
      rejected: 0,
    });
    const probe = { isProbe: false };
    run.calls += 1;
    second.calls += 1;
    void settled(guarded.run(this.#operation(n, guarded, probe))).then((outcome) => {
      if (outcome === "answered") return null;
      this.lastIssueAt = Math.max(this.lastIssueAt, calledAt);
      if (outcome === "rejected") {
        second.rejected += 1;
        const atMs = calledAt - WARM_UP_MS;
        if (wouldAnswer(scenario, { isolate: n, isolates, atMs, outageMs })) run.turnedAway += 1;
      } else {
        second.errors += 1;
        if (!probe.isProbe) run.errors += 1;
      }
      return null;
    });
    if (this.random() < 1 / lifeCalls) this.#isolates[n] = this.#newIsolate();
  }

  #operation(n: number, guarded: Guarded, probe: { isProbe: boolean }): () => Promise<null> {
    const { clock, run } = this;
    const chance = this.random();
    return async () => {
      probe.isProbe = guarded.isProbing();
      if (probe.isProbe) run.probes += 1;
      const atMs = clock.now() - WARM_UP_MS;
      const answer = this.#dependency({ isolate: n, atMs, random: chance });
      await clock.sleep(answer === "hangs" ? selfTiming.timeoutMs : CALL_MS);
      if (answer !== "answers") throw new DependencyDown(answer);
      return null;
    };
  }

  #newIsolate(): Guarded {
    return this.#plan.breaker === "fleet"
      ? ofTheFleet(this.object, this.random)
      : ofItsOwn(this.clock, this.#settings);
  }
}

async function settled(
  call: Promise<null | CircuitOpen>,
): Promise<"answered" | "rejected" | "failed"> {
  try {
    return (await call) instanceof CircuitOpen ? "rejected" : "answered";
  } catch {
    return "failed";
  }
}

/** Whether the dependency would have answered a rejected call. False for random errors. */
function wouldAnswer(
  scenario: Scenario,
  call: { isolate: number; isolates: number; atMs: number; outageMs: number },
): boolean {
  const { isolate, isolates, atMs, outageMs } = call;
  if (atMs < 0 || atMs >= outageMs) return true;
  if (scenario.kind === "flaps") return isUpBetween(scenario.everyMs, atMs);
  return scenario.kind === "unreachable-for" && isolate >= scenario.share * isolates;
}
