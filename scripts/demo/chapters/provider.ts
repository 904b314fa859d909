import {
  circuitBreakerHistory,
  listCircuitBreakers,
} from "../../../shared/contract/circuit-breakers.ts";
import { getEmail, sendEmails } from "../../../shared/contract/emails.ts";
import { getHealth } from "../../../shared/contract/system.ts";
import { killMailbox, type Broken } from "../break.ts";
import type { Arrived } from "../inbox.ts";
import { expectThat, type Stage } from "../stage.ts";

const EMAILS = 6;
const NAME = "email:smtp";
const OPENS_WITHIN_MS = 20_000;
/** Half of the calls of the last minute must fail: after many successes that takes many emails. */
const MORE_EACH_MS = 2_000;
const WAITS_WITHIN_MS = 20_000;
/** The open time is half a minute at first, and five minutes at most. */
const ARRIVE_WITHIN_MS = 150_000;

/**
 * The mail server dies: the breaker opens, emails wait and use no attempt. It comes back: a probe
 * goes first, then all emails arrive.
 */
export async function providerDies(stage: Stage): Promise<{ probes: number }> {
  const { narrator } = stage;
  narrator.chapter("The email provider dies");
  const lastBefore = (await history(stage))[0]?.id ?? 0;
  const before = await stage.inbox();
  const mailbox = await narrator.step(
    "the mail server is stopped: connections to it are refused",
    () => stage.breaks("the mailbox", NAME, () => killMailbox(stage.settings.stateDir)),
  );
  const failed = await narrator.step(`${EMAILS} emails are accepted although it is down`, () =>
    send(stage, "fails"),
  );
  await openBreaker(stage, failed);
  const waiting = await narrator.step(`${EMAILS} more emails are accepted`, () =>
    send(stage, "waits"),
  );
  await waitForBreaker(stage, waiting);
  await comeBack(stage, mailbox, before);
  await deliver(stage, [...failed, ...waiting]);
  return await countProbes(stage, waiting, lastBefore);
}

const breaker = async (stage: Stage) =>
  (await stage.call(listCircuitBreakers)).body.items.find(({ name }) => name === NAME);

const history = async (stage: Stage) =>
  (await stage.call(circuitBreakerHistory, { params: { name: NAME }, query: { limit: "100" } }))
    .body.items;

const emailsOf = async (stage: Stage, ids: string[]) =>
  await Promise.all(ids.map(async (id) => (await stage.call(getEmail, { params: { id } })).body));

/** @returns the ids of the accepted emails */
async function send(stage: Stage, what: string): Promise<string[]> {
  const emails = Array.from({ length: EMAILS }, (_, n) => ({
    to: `demo-${stage.tag}-${what}-${n}@example.com`,
    subject: `Demo ${stage.tag}: ${what} ${n + 1}`,
    text: "From the tour.",
  }));
  const { body } = await stage.call(sendEmails, {
    body: { emails },
    idempotencyKey: `demo-${stage.tag}-${what}`,
  });
  const ids = body.items.flatMap((item) => ("id" in item ? [item.id] : []));
  expectThat(ids.length === EMAILS, `${body.refused} of ${EMAILS} emails were refused`);
  stage.accepted.push(...ids);
  return ids;
}

/** Adds to `failed` the emails that it takes. */
async function openBreaker(stage: Stage, failed: string[]): Promise<void> {
  let sentAt = performance.now();
  await stage.narrator.step(
    "hand-overs fail, and the breaker opens for the whole fleet",
    (waitFor) =>
      stage.until("the breaker of the mail server opens", OPENS_WITHIN_MS, async () => {
        const now = await breaker(stage);
        if (now?.state === "OPEN") return now;
        if (now !== undefined && "failures" in now)
          waitFor(`${now.failures} of ${now.calls} calls failed`);
        if (performance.now() - sentAt > MORE_EACH_MS) {
          failed.push(...(await send(stage, `fails-${failed.length}`)));
          sentAt = performance.now();
        }
        return null;
      }),
    (opened) => {
      if (!("failures" in opened)) return "";
      const seconds = Math.round(opened.retryAfterMs / 1_000);
      return `${opened.lastTransition?.reason ?? ""}, next probe in ${seconds} s`;
    },
  );
}

async function waitForBreaker(stage: Stage, waiting: string[]): Promise<void> {
  await stage.narrator.step(
    "they wait for the breaker",
    (waitFor) =>
      stage.until("emails that wait for the breaker", WAITS_WITHIN_MS, async () => {
        const held = (await emailsOf(stage, waiting)).filter(
          ({ status, lastError }) => status === "queued" && lastError?.phase === "circuit-breaker",
        );
        waitFor(`${held.length} wait`);
        return held.length === EMAILS ? held : null;
      }),
    (held) => `attempts so far: ${held.map(({ attempts }) => attempts).join(" ")}`,
  );
  await stage.narrator.step("/health is degraded, and names the breaker", async () => {
    const { body } = await stage.call(getHealth);
    expectThat(
      body.status === "degraded" &&
        "email" in body.checks &&
        body.checks.breakers.states[NAME] !== "CLOSED",
      `it is ${body.status}`,
    );
  });
}

async function comeBack(stage: Stage, mailbox: Broken, before: Arrived[]): Promise<void> {
  await stage.narrator.step(
    "the mail server is back, with the emails that it had",
    async () => {
      await mailbox.restore();
      const kept = new Set((await stage.inbox()).map(({ id }) => id));
      expectThat(
        before.every(({ id }) => kept.has(id)),
        "emails are gone from the mailbox",
      );
    },
    () => `${before.length} kept`,
  );
}

async function deliver(stage: Stage, ids: string[]): Promise<void> {
  await stage.narrator.step(
    "one call probes, the breaker closes and all emails go out",
    (waitFor) =>
      stage.until("all emails are sent", ARRIVE_WITHIN_MS, async () => {
        const sent = (await emailsOf(stage, ids)).filter(({ status }) => status === "sent").length;
        const state = (await breaker(stage))?.state ?? "unknown";
        waitFor(`${sent} of ${ids.length} sent, the breaker is ${state}`);
        return sent === ids.length ? sent : null;
      }),
    () => `${ids.length} of ${ids.length} sent`,
  );
}

const ONE_PROBE_AT_A_TIME =
  /^threshold(,probe-permitted,probe-failed)*,probe-permitted,probe-succeeded(,recovered)?$/;

async function countProbes(
  stage: Stage,
  waiting: string[],
  lastBefore: number,
): Promise<{ probes: number }> {
  const { narrator } = stage;
  const causes = (await history(stage))
    .filter(({ id }) => id > lastBefore)
    .map(({ cause }) => cause)
    .toReversed();
  const probes = causes.filter((cause) => cause === "probe-permitted").length;
  const failedProbes = causes.filter((cause) => cause === "probe-failed").length;
  await narrator.step(
    "its history has one probe at a time, and the last closed it",
    async () => expectThat(ONE_PROBE_AT_A_TIME.test(causes.join()), `it has ${causes.join(", ")}`),
    () => `${probes} ${probes === 1 ? "probe" : "probes"}`,
  );
  await narrator.step(
    "no waiting email has used an attempt by waiting",
    async () => {
      const emails = await emailsOf(stage, waiting);
      const attempts = emails.reduce((sum, email) => sum + email.attempts, 0);
      expectThat(
        attempts <= EMAILS + failedProbes,
        `${EMAILS} emails took ${attempts} attempts, and ${failedProbes} probes failed`,
      );
      return attempts;
    },
    (attempts) => `${attempts} attempts for ${EMAILS} emails`,
  );
  return { probes };
}
