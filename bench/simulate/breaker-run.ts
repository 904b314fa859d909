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
import { dependencyIn, type Scenario } from "./scenario.ts";

export type BreakerKind = "fleet" | "isolate";

export type BreakerPlan = {
  breaker: BreakerKind;
  isolates: number;
  /** Of each isolate. */
  callsPerSecond: number;
  /**
   * How many calls an isolate lives for, on average; then another takes its place that knows
   * nothing.
   */
  lifeCalls?: number;
  scenario: Scenario;
  outageMs: number;
  afterMs: number;
  seed: number;
  /** Null, the default: an object that takes whatever comes. */
  requestsPerSecond?: number | null;
  settings?: Partial<BreakerSettings>;
};

/** A second of the fleet's life. */
type Second = { calls: number; errors: number; rejected: number };

export type BreakerRun = {
  calls: number;
  /** What callers saw fail: probes that failed are not among them. */
  errors: number;
  probes: number;
  /** Of calls that were turned away while the dependency would have answered them. */
  turnedAway: number;
  /**
   * From the end of the trouble to the last call that failed or was turned away; null if they still
   * were in the end.
   */
  recoveryMs: number | null;
  objectRequests: number;
  /** Of the isolates, when the trouble begins. */
  localShare: number;
  seconds: Second[];
  queue: ObjectQueue | null;
};

export const WARM_UP_MS = 60_000;
const CALL_MS = 20;
/** Who was turned away this shortly before the end had not recovered. */
const SETTLED_MS = 10_000;

/** A fleet before, in and after an outage. The same plan has the same run. */
export async function runBreakers(plan: BreakerPlan): Promise<BreakerRun> {
  const {
    isolates,
    scenario,
    outageMs,
    afterMs,
    lifeCalls = Number.POSITIVE_INFINITY,
    requestsPerSecond = null,
  } = plan;
  const random = randomFrom(plan.seed);
  const clock = new VirtualClock(0);
  const settings = { ...defaultSettings, ...plan.settings };
  const object = new SimulatedObject(clock, settings);
  const queue = requestsPerSecond === null ? null : new ObjectQueue(clock, requestsPerSecond);
  if (queue !== null) object.turn = queue.turn;
  const perSecond = isolates * plan.callsPerSecond;
  const dependency = dependencyIn(scenario, outageMs, isolates, perSecond);
  const born = (): Guarded =>
    plan.breaker === "fleet" ? ofTheFleet(object, random) : ofItsOwn(clock, settings);
  const fleet = Array.from({ length: isolates }, born);
  const run = {
    calls: 0,
    errors: 0,
    probes: 0,
    turnedAway: 0,
    localShare: 0,
    seconds: [] as Second[],
  };
  const upAgainAt = WARM_UP_MS + outageMs;
  let lastIssueAt = 0;

  const call = (): void => {
    const n = Math.floor(random() * isolates);
    const guarded = fleet[n];
    if (guarded === undefined) return;
    const calledAt = clock.now();
    const second = (run.seconds[Math.floor(calledAt / 1_000)] ??= {
      calls: 0,
      errors: 0,
      rejected: 0,
    });
    const chance = random();
    let isProbe = false;
    const operation = async (): Promise<null> => {
      isProbe = guarded.isProbing();
      if (isProbe) run.probes += 1;
      const answer = dependency({ isolate: n, atMs: clock.now() - WARM_UP_MS, random: chance });
      await clock.sleep(answer === "hangs" ? selfTiming.timeoutMs : CALL_MS);
      if (answer !== "answers") throw new DependencyDown(answer);
      return null;
    };
    run.calls += 1;
    second.calls += 1;
    void settled(guarded.run(operation)).then((outcome) => {
      if (outcome === "answered") return null;
      lastIssueAt = Math.max(lastIssueAt, calledAt);
      if (outcome === "rejected") {
        second.rejected += 1;
        if (dependencyWould(scenario, n, isolates, calledAt - WARM_UP_MS, outageMs))
          run.turnedAway += 1;
      } else {
        second.errors += 1;
        if (!isProbe) run.errors += 1;
      }
      return null;
    });
    if (random() < 1 / lifeCalls) fleet[n] = born();
  };

  const arrivals = { perSecond, random };
  await arrive(clock, { ...arrivals, forMs: WARM_UP_MS }, call);
  run.localShare = fleet.filter((guarded) => guarded.isLocal()).length / isolates;
  await arrive(clock, { ...arrivals, forMs: outageMs + afterMs }, call);
  const isOver = lastIssueAt < upAgainAt + afterMs - SETTLED_MS;
  return {
    ...run,
    objectRequests: object.requests,
    recoveryMs: isOver ? Math.max(lastIssueAt - upAgainAt, 0) : null,
    queue,
  };
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

/**
 * Whether a call that was turned away would have been answered: for errors by chance, never
 * counted.
 */
function dependencyWould(
  scenario: Scenario,
  isolate: number,
  isolates: number,
  atMs: number,
  outageMs: number,
): boolean {
  if (atMs < 0 || atMs >= outageMs) return true;
  return scenario.kind === "unreachable-for" && isolate >= scenario.share * isolates;
}
