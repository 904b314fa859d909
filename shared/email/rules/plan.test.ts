import { describe, expect, it } from "vitest";
import { claimLimit, chooseTransport, type Candidate } from "./choice.ts";
import { planGroup, type Waiting } from "./plan.ts";
import type { TransportName } from "./transports.ts";

const now = 1_000_000;
const candidate = (
  name: TransportName,
  admission: "allow" | "probe" | "reject" = "allow",
  changes: Partial<Candidate> = {},
): Candidate => ({
  name,
  admission: admission === "reject" ? { do: "reject", retryAfterMs: 30_000 } : { do: admission },
  pacedUntil: 0,
  everyMs: null,
  ...changes,
});
const waiting = (id: string, pinned: Waiting["pinned"] = null): Waiting => ({
  id,
  generation: 1,
  attempts: 0,
  onUnknown: "hold",
  category: "transactional",
  dueAt: 0,
  traceId: null,
  pinned,
  failover: null,
  tenant: "admin",
  hasBacklog: false,
  transportOrder: [],
  reservesAheadMs: 5_000,
});
const planOf = (emails: Waiting[], candidates: Candidate[], hasLinks = true) =>
  planGroup({ waiting: emails, candidates, size: 5, hasLinks, now });
const plan = (emails: Waiting[], candidates: Candidate[], hasLinks = true) => {
  const { marks, putBack, rest } = planOf(emails, candidates, hasLinks);
  return {
    marks: marks.map(({ email, transport }) => [email.id, transport]),
    putBack: putBack.map(({ email, settlement, detail }) => [
      email.id,
      "dueAt" in settlement ? settlement.dueAt : settlement.status,
      detail.phase,
    ]),
    rest: rest.map(({ id }) => id),
  };
};

describe("an email goes", () => {
  it("to the first transport that takes emails", () => {
    expect(plan([waiting("a")], [candidate("resend"), candidate("smtp")]).marks).toEqual([
      ["a", "resend"],
    ]);
    expect(plan([waiting("a")], [candidate("resend", "reject"), candidate("smtp")]).marks).toEqual([
      ["a", "smtp"],
    ]);
  });

  it("nowhere while all breakers are open: put back until one may close, a minute at most", () => {
    const soon = candidate("smtp", "reject", { admission: { do: "reject", retryAfterMs: 7_000 } });
    expect(plan([waiting("a")], [candidate("resend", "reject"), soon])).toEqual({
      marks: [],
      putBack: [["a", now + 7_000, "circuit-breaker"]],
      rest: [],
    });
    const endless = candidate("smtp", "reject", {
      admission: { do: "reject", retryAfterMs: 86_400_000 },
    });
    expect(plan([waiting("a")], [endless]).putBack).toEqual([
      ["a", now + 60_000, "circuit-breaker"],
    ]);
  });

  it("to a transport that may be probed, alone: the others take another or wait", () => {
    const emails = [waiting("a"), waiting("b"), waiting("c")];
    expect(plan(emails, [candidate("resend", "probe"), candidate("smtp")]).marks).toEqual([
      ["a", "resend"],
      ["b", "smtp"],
      ["c", "smtp"],
    ]);
    expect(plan(emails, [candidate("smtp", "probe")])).toMatchObject({
      marks: [["a", "smtp"]],
      putBack: [
        ["b", now + 1_000, "circuit-breaker"],
        ["c", now + 1_000, "circuit-breaker"],
      ],
    });
  });

  it("only to the one it is pinned to, and waits for that", () => {
    const pinned = waiting("a", { to: "resend", until: now + 100_000 });
    expect(plan([pinned], [candidate("smtp"), candidate("resend")]).marks).toEqual([
      ["a", "resend"],
    ]);
    expect(plan([pinned], [candidate("smtp"), candidate("resend", "reject")]).putBack).toEqual([
      ["a", now + 30_000, "circuit-breaker"],
    ]);
  });

  it("to none once its provider has forgotten the key: then its outcome stays unknown", () => {
    expect(plan([waiting("a", { to: "resend", until: now })], [candidate("resend")])).toMatchObject(
      {
        marks: [],
        putBack: [["a", "unknown", "key"]],
      },
    );
  });

  it("nowhere for an hour at a time if the transport that has it is not configured", () => {
    const pinned = waiting("a", { to: "resend", until: now + 86_400_000 });
    expect(plan([pinned], [candidate("smtp")]).putBack).toEqual([
      ["a", now + 3_600_000, "configuration"],
    ]);
  });

  it("nowhere while the unsubscribe link that it needs cannot be made", () => {
    const bulk = { ...waiting("a"), category: "marketing" as const };
    expect(plan([bulk, waiting("b")], [candidate("smtp")], false)).toMatchObject({
      marks: [["b", "smtp"]],
      putBack: [["a", now + 60_000, "configuration"]],
    });
    expect(plan([bulk], [candidate("smtp")]).marks).toEqual([["a", "smtp"]]);
  });

  it("only to the transports that its sender names, in that order", () => {
    const named = { ...waiting("a"), transportOrder: ["resend", "cloudflare"] as const };
    const all = [candidate("smtp"), candidate("cloudflare"), candidate("resend")];
    expect(plan([named, waiting("b")], all).marks).toEqual([
      ["a", "resend"],
      ["b", "smtp"],
    ]);
    const busy = [candidate("smtp"), candidate("cloudflare"), candidate("resend", "reject")];
    expect(plan([named], busy).marks).toEqual([["a", "cloudflare"]]);
  });

  it("nowhere while its sender's transports take none, and waits for them visibly", () => {
    const named = { ...waiting("a"), transportOrder: ["resend"] as const };
    const closed = [candidate("smtp"), candidate("resend", "reject")];
    expect(planOf([named], closed).putBack).toMatchObject([
      {
        settlement: {
          status: "queued",
          attempts: 0,
          dueAt: now + 30_000,
          waited: { class: "server", count: 0 },
        },
        detail: { transport: "resend", phase: "circuit-breaker" },
      },
    ]);
    expect(planOf([named], [candidate("smtp")]).putBack).toMatchObject([
      {
        settlement: { dueAt: now + 3_600_000, waited: { class: "server" } },
        detail: { phase: "configuration", text: expect.stringContaining("sender") },
      },
    ]);
  });

  it("nowhere for half of the time that it has waited for its sender's transports, 15 min at most", () => {
    const named = { ...waiting("a"), transportOrder: ["resend"] as const };
    const probed = [candidate("smtp"), candidate("resend", "reject")];
    const dueAfter = (waitedMs: number): number => {
      const [back] = planOf([{ ...named, waitingSince: now - waitedMs }], probed).putBack;
      return back?.settlement.status === "queued" ? back.settlement.dueAt - now : -1;
    };
    expect([0, 60_000, 100_000, 600_000, 100 * 3_600_000].map(dueAfter)).toEqual([
      30_000, 30_000, 50_000, 300_000, 900_000,
    ]);
  });

  it("to the one it is pinned to, also if its sender names others by now", () => {
    const pinned = {
      ...waiting("a", { to: "resend", until: now + 100_000 }),
      transportOrder: ["smtp"] as const,
    };
    const both = [candidate("smtp"), candidate("resend")];
    expect(plan([pinned], both).marks).toEqual([["a", "resend"]]);
    expect(plan([pinned], [candidate("smtp"), candidate("resend", "reject")]).marks).toEqual([]);
  });

  it("never to one that has refused it in this attempt", () => {
    expect(
      chooseTransport(null, ["resend"], [candidate("resend"), candidate("smtp")], new Set()),
    ).toEqual({
      use: "smtp",
    });
    expect(
      chooseTransport(
        null,
        ["resend", "smtp"],
        [candidate("resend"), candidate("smtp")],
        new Set(),
      ),
    ).not.toHaveProperty("use");
  });
});

describe("while a limit closes a transport", () => {
  const DAY_MS = 86_400_000;
  const closed = candidate("resend", "allow", {
    admission: { do: "closed", retryAfterMs: DAY_MS },
  });

  it("emails take the next one", () => {
    expect(plan([waiting("a")], [closed, candidate("smtp")]).marks).toEqual([["a", "smtp"]]);
  });

  it("they wait until it resets if there is no other, and show that they wait for a rate", () => {
    const { putBack } = planGroup({
      waiting: [waiting("a")],
      candidates: [closed],
      size: 5,
      hasLinks: true,
      now,
    });
    expect(putBack).toMatchObject([
      {
        settlement: { dueAt: now + DAY_MS, attempts: 0, waited: { class: "rate", count: 0 } },
        detail: { transport: "resend", phase: "limit" },
      },
    ]);
  });

  it("they look again earlier if another transport may take them earlier", () => {
    expect(plan([waiting("a")], [closed, candidate("smtp", "reject")]).putBack).toEqual([
      ["a", now + 30_000, "circuit-breaker"],
    ]);
  });

  it("one that is pinned there waits for as long as its key is known", () => {
    const pinned = waiting("a", { to: "resend", until: now + 100_000 });
    expect(plan([pinned], [closed, candidate("smtp")]).putBack).toEqual([
      ["a", now + 99_999, "limit"],
    ]);
  });

  it("a batch claims nothing for it", () => {
    expect(claimLimit([closed], 10, 0.5)).toEqual({ open: [], limit: 0, waitMs: DAY_MS });
    expect(claimLimit([closed, candidate("smtp")], 10, 0.5).open).toEqual(["smtp"]);
  });
});

describe("a group", () => {
  it("is small enough for a slow rate, and the rest waits for its turn", () => {
    const slow = candidate("smtp", "allow", { everyMs: 2_000 });
    const emails = ["a", "b", "c", "d"].map((id) => waiting(id));
    expect(plan(emails, [slow])).toEqual({
      marks: [
        ["a", "smtp"],
        ["b", "smtp"],
      ],
      putBack: [],
      rest: ["c", "d"],
    });
  });

  it("comes back at whole milliseconds, which is all that D1 takes", () => {
    const third = candidate("smtp", "allow", { pacedUntil: now + 1, everyMs: 1_000 / 3 });
    const times = plan([waiting("a"), waiting("b")], [third]).putBack.map(([, at]) => at);
    expect(times).toEqual([now + 1, now + 335]);
  });

  it("has at most its size in hand-over, but puts back each that it passes", () => {
    const emails = Array.from({ length: 9 }, (_, n) => waiting(`m${n}`));
    const pinned = waiting("p", { to: "resend", until: now + 100_000 });
    const planned = plan(
      [emails[0] ?? pinned, pinned, ...emails.slice(1)],
      [candidate("smtp"), candidate("resend", "reject")],
    );
    expect(planned.marks).toHaveLength(5);
    expect(planned.putBack.map(([id]) => id)).toEqual(["p"]);
    expect(planned.rest).toEqual(["m5", "m6", "m7", "m8"]);
  });

  it("spreads what comes too fast over the reservations to come", () => {
    const paced = candidate("resend", "allow", { pacedUntil: now + 4_000, everyMs: 200 });
    expect(
      plan([waiting("a"), waiting("b"), waiting("c")], [paced, candidate("smtp")]).putBack,
    ).toEqual([
      ["a", now + 4_000, "rate-limit"],
      ["b", now + 4_200, "rate-limit"],
      ["c", now + 4_400, "rate-limit"],
    ]);
  });
});

it("a batch claims all while a transport takes emails, one for a probe, and otherwise none", () => {
  const limit = (candidates: Candidate[]) => claimLimit(candidates, 10, 0.5);
  expect(limit([candidate("resend"), candidate("smtp")])).toEqual({
    open: ["resend", "smtp"],
    limit: Infinity,
    waitMs: 0,
  });
  expect(limit([candidate("resend", "reject"), candidate("smtp")])).toEqual({
    open: ["smtp"],
    limit: Infinity,
    waitMs: 30_000,
  });
  expect(limit([candidate("resend", "reject"), candidate("smtp", "probe")])).toEqual({
    open: ["smtp"],
    limit: 1,
    waitMs: 1_000,
  });
  expect(limit([candidate("resend", "reject"), candidate("smtp", "reject")])).toEqual({
    open: [],
    limit: 0,
    waitMs: 30_000,
  });
});

describe("while a transport recovers", () => {
  const recovering = (name: "resend" | "smtp", share: number): Candidate => ({
    ...candidate(name),
    admission: { do: "allow", share },
  });

  it("a batch claims its share, and single emails that share on average", () => {
    const claims = (batch: number, random: number) =>
      claimLimit([candidate("resend", "reject"), recovering("smtp", 0.25)], batch, random);
    expect(claims(40, 0.5)).toEqual({ open: ["smtp"], limit: 10, waitMs: 1_000 });
    expect(claims(1, 0.74).limit).toBe(0);
    expect(claims(1, 0.76).limit).toBe(1);
  });

  it("a batch claims all if another transport takes the others", () => {
    expect(claimLimit([recovering("resend", 0.25), candidate("smtp")], 40, 0).limit).toBe(Infinity);
  });

  it("a group hands it its share, and the rest to the transport after it", () => {
    const emails = Array.from({ length: 5 }, (_, n) => waiting(`m${n}`));
    const marks = plan(emails, [recovering("resend", 0.4), candidate("smtp")]).marks;
    expect(marks.map(([, name]) => name)).toEqual(["resend", "resend", "smtp", "smtp", "smtp"]);
  });

  it("a group hands it all that was claimed if it is alone", () => {
    const emails = Array.from({ length: 5 }, (_, n) => waiting(`m${n}`));
    expect(plan(emails, [recovering("resend", 0.2)]).marks).toHaveLength(5);
  });
});
