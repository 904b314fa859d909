import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import type { Outcome } from "../../shared/email/rules/outcome.ts";
import { transports } from "../../shared/email/rules/transports.ts";
import { guardTransport } from "../../shared/email/transports/guarded.ts";
import type { GuardedTransport, Transport } from "../../shared/email/transports/transport.ts";
import type { ConsumerEnv } from "../../workers/env.ts";
import { eventually } from "../support/eventually.ts";
import { outgoingEmail as email } from "../support/outgoing-email.ts";

/** The transport behind a real breaker, with a scripted server. */

const atConnect: Outcome = {
  kind: "server_failed",
  detail: { transport: "smtp", phase: "CONN", text: "refused" },
};
const accepted: Outcome = {
  kind: "accepted",
  detail: { transport: "smtp", phase: "BODY", code: 250, text: "queued" },
};

let fleet = 0;
let outcome: Outcome = accepted;
let handOvers = 0;
let transport: GuardedTransport;
let breaker: ReturnType<ConsumerEnv["CIRCUIT_BREAKER"]["getByName"]>;

beforeEach(() => {
  const suffix = `#${(fleet += 1)}`;
  const getByName = (name: string) => env.CIRCUIT_BREAKER.getByName(name + suffix);
  breaker = getByName("email:smtp");
  outcome = accepted;
  handOvers = 0;
  const server: Transport = {
    deadlineMs: 30_000,
    send: async () => {
      handOvers += 1;
      return outcome;
    },
  };
  transport = guardTransport(
    { CIRCUIT_BREAKER: { getByName } as ConsumerEnv["CIRCUIT_BREAKER"] },
    transports.smtp,
    server,
    null,
  );
});

async function openUp(): Promise<void> {
  outcome = atConnect;
  for (let n = 0; n < 5; n += 1) expect(await transport.send(email)).toEqual(atConnect);
  await eventually(async () => expect((await breaker.inspect()).state).toBe("OPEN"));
  await eventually(async () => expect((await transport.send(email)).kind).toBe("deferred"));
}

describe("a guarded transport", () => {
  it("returns what the server answered as it is", async () => {
    for (const said of [accepted, atConnect, { ...atConnect, kind: "unknown" as const }]) {
      outcome = said;
      expect(await transport.send(email)).toEqual(said);
    }
  });

  it("defers an email while the breaker is open: no hand-over, no attempt, a next time", async () => {
    await openUp();
    const before = handOvers;
    expect(await transport.send(email)).toMatchObject({
      kind: "deferred",
      retryAfterMs: expect.toSatisfy((ms: number) => ms > 20_000 && ms <= 31_000),
      detail: { transport: "smtp", phase: "circuit-breaker" },
    });
    expect(handOvers).toBe(before);
  });

  it("defers for a minute at most, since an operator may end it sooner", async () => {
    await breaker.forceOpen({
      actor: "ada",
      reason: "maintenance",
      until: Date.now() + 86_400_000,
    });
    await eventually(async () =>
      expect(await transport.send(email)).toMatchObject({ kind: "deferred", retryAfterMs: 60_000 }),
    );
  });

  it("does not count what the server answers about one email", async () => {
    outcome = {
      kind: "refused_permanent",
      detail: { transport: "smtp", phase: "RCPT TO", code: 550, text: "no such user" },
    };
    for (let n = 0; n < 20; n += 1) expect(await transport.send(email)).toEqual(outcome);
    expect(await breaker.inspect()).toMatchObject({ state: "CLOSED", failures: 0 });
  });

  it("passes on a defect that is no outcome of the server, and does not count it", async () => {
    const broken = guardTransport(
      {
        CIRCUIT_BREAKER: { getByName: () => breaker } as unknown as ConsumerEnv["CIRCUIT_BREAKER"],
      },
      transports.smtp,
      {
        deadlineMs: 1_000,
        send: () => Promise.reject(new TypeError("a defect")),
      },
      null,
    );
    for (let n = 0; n < 6; n += 1) await expect(broken.send(email)).rejects.toThrow("a defect");
    expect(await breaker.inspect()).toMatchObject({ state: "CLOSED", failures: 0 });
  });

  it("asks for as long a permit as the hand-over of a large file may take", async () => {
    const asked: (number | undefined)[] = [];
    const recording = {
      sync: (request: { acquire?: { lastsMs: number } }) => {
        asked.push(request.acquire?.lastsMs);
        return Promise.reject(new Error("down"));
      },
    };
    const guarded = guardTransport(
      {
        CIRCUIT_BREAKER: {
          getByName: () => recording,
        } as unknown as ConsumerEnv["CIRCUIT_BREAKER"],
      },
      transports.smtp,
      { deadlineMs: 30_000, send: () => Promise.resolve(accepted) },
      null,
    );
    const bytes = new Uint8Array(20_000_000);
    const attachments = [{ filename: "film.mp4", contentType: "video/mp4", bytes }];
    await guarded.send({ ...email, attachments });
    await eventually(() => expect(asked).toEqual([30_000 + 80_000 + 5_000]));
  });

  it("has a deadline that leaves time to learn whether it may probe", () => {
    expect(transport.deadlineMs).toBe(31_000);
  });
});
