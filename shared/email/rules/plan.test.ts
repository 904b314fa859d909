import { describe, expect, it } from "vitest";
import { claimLimit, chooseTransport, planGroup, type Route, type Waiting } from "./plan.ts";
import type { TransportName } from "./transports.ts";

const now = 1_000_000;
const route = (
  name: TransportName,
  admission: Route["admission"]["do"] = "allow",
  changes: Partial<Route> = {},
): Route => ({
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
});
const plan = (emails: Waiting[], routes: Route[], hasLinks = true) => {
  const { marks, putBack, rest } = planGroup(emails, routes, 5, hasLinks, now);
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
    expect(plan([waiting("a")], [route("resend"), route("smtp")]).marks).toEqual([["a", "resend"]]);
    expect(plan([waiting("a")], [route("resend", "reject"), route("smtp")]).marks).toEqual([
      ["a", "smtp"],
    ]);
  });

  it("nowhere while all breakers are open: put back until one may close, a minute at most", () => {
    const soon = route("smtp", "reject", { admission: { do: "reject", retryAfterMs: 7_000 } });
    expect(plan([waiting("a")], [route("resend", "reject"), soon])).toEqual({
      marks: [],
      putBack: [["a", now + 7_000, "circuit-breaker"]],
      rest: [],
    });
    const endless = route("smtp", "reject", {
      admission: { do: "reject", retryAfterMs: 86_400_000 },
    });
    expect(plan([waiting("a")], [endless]).putBack).toEqual([
      ["a", now + 60_000, "circuit-breaker"],
    ]);
  });

  it("to a transport that may be probed, alone: the others take another or wait", () => {
    const emails = [waiting("a"), waiting("b"), waiting("c")];
    expect(plan(emails, [route("resend", "probe"), route("smtp")]).marks).toEqual([
      ["a", "resend"],
      ["b", "smtp"],
      ["c", "smtp"],
    ]);
    expect(plan(emails, [route("smtp", "probe")])).toMatchObject({
      marks: [["a", "smtp"]],
      putBack: [
        ["b", now + 1_000, "circuit-breaker"],
        ["c", now + 1_000, "circuit-breaker"],
      ],
    });
  });

  it("to none but the one it is pinned to, and waits for that", () => {
    const pinned = waiting("a", { to: "resend", until: now + 100_000 });
    expect(plan([pinned], [route("smtp"), route("resend")]).marks).toEqual([["a", "resend"]]);
    expect(plan([pinned], [route("smtp"), route("resend", "reject")]).putBack).toEqual([
      ["a", now + 30_000, "circuit-breaker"],
    ]);
  });

  it("to none once its provider has forgotten the key: then its outcome stays unknown", () => {
    expect(plan([waiting("a", { to: "resend", until: now })], [route("resend")])).toMatchObject({
      marks: [],
      putBack: [["a", "unknown", "key"]],
    });
  });

  it("nowhere for an hour at a time if the transport that has it is not configured", () => {
    const pinned = waiting("a", { to: "resend", until: now + 86_400_000 });
    expect(plan([pinned], [route("smtp")]).putBack).toEqual([
      ["a", now + 3_600_000, "configuration"],
    ]);
  });

  it("nowhere while the unsubscribe link that it needs cannot be made", () => {
    const bulk = { ...waiting("a"), category: "marketing" as const };
    expect(plan([bulk, waiting("b")], [route("smtp")], false)).toMatchObject({
      marks: [["b", "smtp"]],
      putBack: [["a", now + 60_000, "configuration"]],
    });
    expect(plan([bulk], [route("smtp")]).marks).toEqual([["a", "smtp"]]);
  });

  it("never to one that has refused it in this attempt", () => {
    expect(chooseTransport(null, ["resend"], [route("resend"), route("smtp")], new Set())).toEqual({
      use: "smtp",
    });
    expect(
      chooseTransport(null, ["resend", "smtp"], [route("resend"), route("smtp")], new Set()),
    ).not.toHaveProperty("use");
  });
});

describe("a group", () => {
  it("has at most its size in hand-over, but puts back whatever it passes", () => {
    const emails = Array.from({ length: 9 }, (_, n) => waiting(`m${n}`));
    const pinned = waiting("p", { to: "resend", until: now + 100_000 });
    const planned = plan(
      [emails[0] ?? pinned, pinned, ...emails.slice(1)],
      [route("smtp"), route("resend", "reject")],
    );
    expect(planned.marks).toHaveLength(5);
    expect(planned.putBack.map(([id]) => id)).toEqual(["p"]);
    expect(planned.rest).toEqual(["m5", "m6", "m7", "m8"]);
  });

  it("spreads what comes too fast over the turns to come", () => {
    const paced = route("resend", "allow", { pacedUntil: now + 4_000, everyMs: 200 });
    expect(
      plan([waiting("a"), waiting("b"), waiting("c")], [paced, route("smtp")]).putBack,
    ).toEqual([
      ["a", now + 4_000, "rate-limit"],
      ["b", now + 4_200, "rate-limit"],
      ["c", now + 4_400, "rate-limit"],
    ]);
  });
});

it("a batch claims all while a transport takes emails, one for a probe, and otherwise none", () => {
  expect(claimLimit([route("resend"), route("smtp")])).toEqual({
    open: ["resend", "smtp"],
    limit: Infinity,
    waitMs: 0,
  });
  expect(claimLimit([route("resend", "reject"), route("smtp")])).toEqual({
    open: ["smtp"],
    limit: Infinity,
    waitMs: 30_000,
  });
  expect(claimLimit([route("resend", "reject"), route("smtp", "probe")])).toEqual({
    open: ["smtp"],
    limit: 1,
    waitMs: 1_000,
  });
  expect(claimLimit([route("resend", "reject"), route("smtp", "reject")])).toEqual({
    open: [],
    limit: 0,
    waitMs: 30_000,
  });
});
