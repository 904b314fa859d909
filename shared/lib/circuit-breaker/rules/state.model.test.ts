import fc from "fast-check";
import { expect, it } from "vitest";
import { anyCommand } from "../../../../test/support/any-command.ts";
import { runs } from "../../../../test/support/seed.ts";
import { score } from "./evidence.ts";
import { clampToNow, initialBreaker, snapshot, type Breaker } from "./phase.ts";
import { defaultSettings as settings } from "./settings.ts";
import { decide, type Event } from "./state.ts";
import type { Decision } from "./transition.ts";

const PERMIT_MS = 10_000;

type Call = { epoch: number; permitId: string | null };
type Grant = { id: string; at: number; ended: boolean };

/**
 * The breaker as the fleet meets it: calls in the air, outcomes that are late, lost or reported
 * twice, an object that forgets.
 */
class Fleet {
  now = 1_700_000_000_000;
  memory: Breaker = initialBreaker;
  stored: Breaker = initialBreaker;
  calls: Call[] = [];
  finished: Call[] = [];
  grants: Grant[] = [];
  clockWasSetBack = false;
  #ids = 0;

  apply(event: Event): Decision {
    const before = this.memory;
    const decision = decide(before, event, settings, this.now);
    this.memory = decision.breaker;
    if (decision.persist) this.stored = decision.breaker;
    this.#check(before, event, decision);
    return decision;
  }

  call(): void {
    const permitId = `permit-${(this.#ids += 1)}`;
    const { granted } = this.apply({
      type: "acquire",
      id: permitId,
      lastsMs: PERMIT_MS,
      cold: false,
    });
    const { state, epoch, ramp } = snapshot(this.memory, settings, this.now);
    const isLetRun =
      state === "CLOSED" || (ramp !== undefined && (this.#ids % 100) / 100 < ramp.share);
    if (granted) this.calls.push({ epoch, permitId });
    else if (isLetRun) this.calls.push({ epoch, permitId: null });
  }

  finish(call: Call, outcome: "success" | "failure" | "ignored"): void {
    if (call.permitId !== null)
      this.apply({ type: "probe-ended", permitId: call.permitId, outcome });
    else if (outcome !== "ignored") {
      this.apply({
        type: "report",
        epoch: call.epoch,
        failures: outcome === "failure" ? 1 : 0,
        calls: 1,
      });
    }
    this.finished.push(call);
  }

  #check(before: Breaker, event: Event, { breaker, transition, granted, persist }: Decision): void {
    expect(breaker.epoch, "an epoch never goes back").toBeGreaterThanOrEqual(before.epoch);
    this.#checkNumbers(breaker);
    expect(
      breaker.epoch - before.epoch,
      "at most one transition an event, and each raises the epoch",
    ).toBe(transition === null ? 0 : 1);
    if (transition !== null) {
      const { to, cause } = transition;
      expect(persist, "a transition is written down").toBe(true);
      if (to === "CLOSED")
        expect(["probe-succeeded", "recovered", "reset", "enable", "close", "disable"]).toContain(
          cause,
        );
      if (cause === "probe-succeeded" || cause === "probe-failed") {
        const grant =
          event.type === "probe-ended"
            ? this.grants.find(({ id }) => id === event.permitId)
            : undefined;
        expect(grant, "only a granted permit closes or re-opens").toMatchObject({ ended: false });
      }
    }
    if (before.phase.state === "HALF_OPEN" && before.phase.ramp !== null)
      expect(granted, "no permit beside a ramp").toBe(false);
    if (transition?.cause === "recovered" || transition?.cause === "ramp-failed")
      expect(
        before.phase.state === "HALF_OPEN" && before.phase.ramp,
        "only a ramp recovers or fails",
      ).toBeTruthy();
    if (event.type === "report" && event.epoch !== before.epoch) {
      expect(transition, "an older epoch moves nothing").toBeNull();
      if (before.phase.state === "CLOSED")
        expect(breaker.phase, "an older epoch counts nothing").toEqual(
          clampToNow(before, settings, this.now).phase,
        );
    }
    if (event.type === "probe-ended")
      for (const grant of this.grants) if (grant.id === event.permitId) grant.ended = true;
    if (event.type === "command") for (const grant of this.grants) grant.ended = true;
    if (!granted) return;
    expect(event.type, "a permit goes to a call that asked for it").toBe("acquire");
    const live = this.grants.filter(
      ({ at, ended }) => !ended && !this.clockWasSetBack && this.now - at < PERMIT_MS,
    );
    expect(live, "at most one live permit").toEqual([]);
    if (event.type === "acquire") this.grants.push({ id: event.id, at: this.now, ended: false });
  }

  /** Shares, scores and waits are bounded and numbers, also after the clock was set back. */
  #checkNumbers({ phase }: Breaker): void {
    const { ramp, retryAfterMs } = snapshot(this.memory, settings, this.now);
    expect(retryAfterMs).toBeGreaterThanOrEqual(0);
    if (ramp !== undefined) {
      expect(ramp.share).toBeGreaterThan(0);
      expect(ramp.share).toBeLessThanOrEqual(1);
      expect(ramp.doublesMs).toBeGreaterThanOrEqual(settings.rampMs);
      expect(ramp.doublesMs).toBeLessThanOrEqual(8_000);
    }
    if (phase.state === "OPEN") {
      const operators = this.memory.override.kind === "forced-open";
      expect(phase.durationMs).toBeGreaterThanOrEqual(operators ? 0 : settings.retryMs);
      expect(phase.durationMs).toBeLessThanOrEqual(settings.maxOpenMs);
    }
    if (phase.state !== "CLOSED") return;
    for (const evidence of [phase.evidence, phase.slowEvidence]) {
      if (evidence === null) continue;
      const height = score(evidence, { ratio: settings.failureRatio }, this.now);
      expect(Number.isFinite(height)).toBe(true);
      expect(height).toBeLessThanOrEqual(evidence.failures);
      expect(evidence.needed).toBeGreaterThanOrEqual(2 * settings.failures);
    }
  }

  /**
   * Nothing fails any more and nobody interferes: within one open time, one permit and one lease it
   * is closed.
   */
  recover(): void {
    this.apply({ type: "command", command: { do: "enable" }, actor: "test", reason: "" });
    for (let n = 0; n < 5; n += 1)
      this.apply({ type: "report", epoch: this.memory.epoch, failures: 1, calls: 1 });
    expect(
      snapshot(this.memory, settings, this.now).state,
      "five isolates with one failure each open it",
    ).toBe("OPEN");
    this.calls = [];
    this.now += settings.openMs;
    this.call();
    const [probe] = this.calls;
    if (probe !== undefined) this.finish(probe, "success");
    for (let second = 0; second < 6; second += 1) {
      this.apply({ type: "look" });
      this.now += 1_000;
    }
    expect(snapshot(this.memory, settings, this.now).state, "a healthy dependency closes it").toBe(
      "CLOSED",
    );
  }
}

type Model = Record<string, never>;
const step = <Choice>(
  name: string,
  choice: Choice,
  run: (fleet: Fleet, choice: Choice) => void,
): fc.Command<Model, Fleet> => ({
  check: () => true,
  run: (_, fleet) => run(fleet, choice),
  toString: () => `${name}(${JSON.stringify(choice)})`,
});

const outcome = fc.constantFrom(
  "success" as const,
  "failure" as const,
  "failure" as const,
  "failure" as const,
  "ignored" as const,
);
const counts = fc.record({
  failures: fc.nat(20),
  calls: fc.integer({ min: -5, max: 60 }),
  after: fc.option(fc.nat(60), { nil: undefined }),
  overMs: fc.option(fc.nat(86_400_000), { nil: undefined }),
  held: fc.option(fc.nat(40), { nil: undefined }),
  slow: fc.option(fc.nat(40), { nil: undefined }),
  retryAfterMs: fc.option(fc.nat(86_400_000), { nil: undefined }),
});
const steps = [
  counts.map((choice) =>
    step(
      "isolate reports",
      choice,
      (fleet, report) => void fleet.apply({ type: "report", epoch: fleet.memory.epoch, ...report }),
    ),
  ),
  fc.constant(step("look", null, (fleet) => void fleet.apply({ type: "look" }))),
  fc
    .integer({ min: 1, max: 50 })
    .map((isolates) =>
      step("calls", isolates, (fleet, count) => Array.from({ length: count }, () => fleet.call())),
    ),
  fc.tuple(fc.nat(), outcome).map((choice) =>
    step("finish", choice, (fleet, [n, result]) => {
      const [call] = fleet.calls.splice(n % Math.max(fleet.calls.length, 1), 1);
      if (call !== undefined) fleet.finish(call, result);
    }),
  ),
  outcome.map((result) =>
    step("finish all", result, (fleet, all) =>
      fleet.calls.splice(0).forEach((call) => fleet.finish(call, all)),
    ),
  ),
  fc.tuple(fc.nat(), outcome).map((choice) =>
    step("tell again", choice, (fleet, [n, result]) => {
      const call = fleet.finished[n % Math.max(fleet.finished.length, 1)];
      if (call?.permitId)
        fleet.apply({ type: "probe-ended", permitId: call.permitId, outcome: result });
    }),
  ),
  fc.constant(step("lose", null, (fleet) => void fleet.calls.shift())),
  outcome.map((result) =>
    step(
      "forge",
      result,
      (fleet, forged) =>
        void fleet.apply({ type: "probe-ended", permitId: "forged", outcome: forged }),
    ),
  ),
  fc
    .oneof(fc.integer({ min: 1, max: 12_000 }), fc.integer({ min: 1, max: 400_000 }))
    .map((ms) => step("wait", ms, (fleet, waited) => void (fleet.now += waited))),
  fc.constant(step("evict", null, (fleet) => void (fleet.memory = fleet.stored))),
  anyCommand.map((asked) =>
    step(
      "operator",
      asked,
      (fleet, command) =>
        void fleet.apply({ type: "command", command, actor: "ada", reason: "test" }),
    ),
  ),
  fc.constant(
    step("clock back", null, (fleet) => {
      fleet.now -= 3_600_000;
      fleet.clockWasSetBack = true;
    }),
  ),
];

it(`in any history of the fleet, the network, the operator and the clock: one permit at a time, epochs that only rise, no way to CLOSED but a permitted success or an operator (${runs} runs)`, () => {
  fc.assert(
    fc.property(fc.commands(steps, { maxCommands: 60, size: "max" }), (commands) => {
      const fleet = new Fleet();
      fc.modelRun(() => ({ model: {}, real: fleet }), commands);
      fleet.recover();
      expect(fleet.memory).toEqual(fleet.stored);
    }),
    { numRuns: runs },
  );
});
