import {
  circuitBreakerHistory,
  listCircuitBreakers,
} from "../../../shared/contract/circuit-breakers.ts";
import { getEmail, sendEmails } from "../../../shared/contract/emails.ts";
import { getHealth } from "../../../shared/contract/system.ts";
import { killMailbox } from "../break.ts";
import { expectThat, type Stage } from "../stage.ts";

const MAILS = 6;
const NAME = "email:smtp";
const OPENS_WITHIN_MS = 20_000;
/**
 * Half of the calls of the last minute have to fail. Where many have succeeded, many more have to.
 */
const MORE_EACH_MS = 2_000;
const WAITS_WITHIN_MS = 20_000;
/**
 * The longest that the breaker may wait for its next probe is five minutes; on the first opening it
 * is half of one.
 */
const ARRIVE_WITHIN_MS = 150_000;

/**
 * The mail server dies: the breaker opens, mails wait and burn no attempt. It comes back: a probe
 * goes first, then all arrive.
 */
export async function providerDies(stage: Stage): Promise<{ probes: number }> {
  const { narrator } = stage;
  const breaker = async () =>
    (await stage.call(listCircuitBreakers)).body.items.find(({ name }) => name === NAME);
  const history = async () =>
    (await stage.call(circuitBreakerHistory, { params: { name: NAME }, query: { limit: "100" } }))
      .body.items;
  const send = async (what: string): Promise<string[]> => {
    const emails = Array.from({ length: MAILS }, (_, n) => ({
      to: `demo-${stage.tag}-${what}-${n}@example.com`,
      subject: `Demo ${stage.tag}: ${what} ${n + 1}`,
      text: "From the tour.",
    }));
    const { body } = await stage.call(sendEmails, {
      body: { emails },
      idempotencyKey: `demo-${stage.tag}-${what}`,
    });
    const ids = body.items.flatMap((item) => ("id" in item ? [item.id] : []));
    expectThat(ids.length === MAILS, `${body.refused} of ${MAILS} mails were refused`);
    stage.accepted.push(...ids);
    return ids;
  };
  const look = async (ids: string[]) =>
    await Promise.all(ids.map(async (id) => (await stage.call(getEmail, { params: { id } })).body));

  narrator.chapter("The mail provider dies");
  const lastBefore = (await history())[0]?.id ?? 0;
  const before = await stage.inbox();
  const mailbox = await narrator.step(
    "the mail server is stopped: connections to it are refused",
    () => stage.breaks("the mailbox", NAME, () => killMailbox(stage.stateDir)),
  );
  const failed = await narrator.step(`${MAILS} mails are accepted all the same`, () =>
    send("fails"),
  );
  let sentAt = performance.now();
  await narrator.step(
    "hand-overs fail, and the breaker opens for the whole fleet",
    (waitFor) =>
      stage.until("the breaker of the mail server opens", OPENS_WITHIN_MS, async () => {
        const now = await breaker();
        if (now?.state === "OPEN") return now;
        if (now !== undefined && "failures" in now)
          waitFor(`${now.failures} of ${now.calls} calls failed`);
        if (performance.now() - sentAt > MORE_EACH_MS) {
          failed.push(...(await send(`fails-${failed.length}`)));
          sentAt = performance.now();
        }
        return null;
      }),
    (opened) =>
      "failures" in opened
        ? `${opened.lastTransition?.reason ?? ""}, next probe in ${Math.round(opened.retryAfterMs / 1_000)} s`
        : "",
  );
  const waiting = await narrator.step(`${MAILS} more mails are accepted`, () => send("waits"));
  await narrator.step(
    "they wait for the breaker",
    (waitFor) =>
      stage.until("mails that wait for the breaker", WAITS_WITHIN_MS, async () => {
        const mails = await look(waiting);
        const put = mails.filter(
          ({ status, lastError }) => status === "queued" && lastError?.phase === "circuit-breaker",
        );
        waitFor(`${put.length} wait`);
        return put.length === MAILS ? put : null;
      }),
    (mails) => `attempts so far: ${mails.map(({ attempts }) => attempts).join(" ")}`,
  );
  await narrator.step("/health is degraded, and names the breaker", async () => {
    const { body } = await stage.call(getHealth);
    expectThat(
      body.status === "degraded" &&
        "email" in body.checks &&
        body.checks.breakers.states[NAME] !== "CLOSED",
      `it is ${body.status}`,
    );
  });

  await narrator.step(
    "the mail server is back, with the mails that it had",
    async () => {
      await mailbox.mend();
      const kept = new Set((await stage.inbox()).map(({ id }) => id));
      expectThat(
        before.every(({ id }) => kept.has(id)),
        "mails are gone from the mailbox",
      );
    },
    () => `${before.length} kept`,
  );
  const sent = [...failed, ...waiting];
  const mails = await narrator.step(
    "one call probes, the breaker closes and all mails go out",
    (waitFor) =>
      stage.until("all mails are sent", ARRIVE_WITHIN_MS, async () => {
        const now = await look(sent);
        const gone = now.filter(({ status }) => status === "sent").length;
        const state = await breaker();
        waitFor(`${gone} of ${sent.length} sent, the breaker is ${state?.state ?? "unknown"}`);
        return gone === sent.length ? now : null;
      }),
    () => `${sent.length} of ${sent.length} sent`,
  );
  const causes = (await history()).filter(({ id }) => id > lastBefore).map(({ cause }) => cause);
  const probes = causes.filter((cause) => cause === "probe-permitted").length;
  const failedProbes = causes.filter((cause) => cause === "probe-failed").length;
  await narrator.step(
    "its history has one probe at a time, and the last closed it",
    async () =>
      expectThat(
        /^threshold(,probe-permitted,probe-failed)*,probe-permitted,probe-succeeded$/.test(
          causes.toReversed().join(),
        ),
        `it has ${causes.toReversed().join(", ")}`,
      ),
    () => `${probes} ${probes === 1 ? "probe" : "probes"}`,
  );
  await narrator.step(
    "no mail that waited has burned an attempt by waiting",
    async () => {
      const attempts = mails
        .filter(({ id }) => waiting.includes(id))
        .reduce((sum, mail) => sum + mail.attempts, 0);
      expectThat(
        attempts <= MAILS + failedProbes,
        `${MAILS} mails took ${attempts} attempts, and ${failedProbes} probes failed`,
      );
      return attempts;
    },
    (attempts) => `${attempts} attempts for ${MAILS} mails`,
  );
  return { probes };
}
