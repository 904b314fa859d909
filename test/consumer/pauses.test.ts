import { env } from "cloudflare:workers";
import { beforeEach, describe, expect, it } from "vitest";
import { claim, postpone, type Claim } from "../../shared/email/sql/claim.ts";
import { endlessWaits } from "../../shared/email/sql/expiry.ts";
import { deletePause, savePause } from "../../shared/email/sql/pauses.ts";
import { emailRow, eventTypes, notification, queueEmail, waitLimits } from "../support/emails.ts";

const db = env.DB;
const now = 1_700_000_000_000;
const HALF_AN_HOUR_MS = 1_800_000;

beforeEach(async () => {
  await db.batch(["emails", "email_pauses"].map((table) => db.prepare(`DELETE FROM ${table}`)));
});

const pause = async (scope: string) =>
  await savePause(db, { scope, reason: "a test", createdAt: now });
const claimAll = async (ids: string[], at = now): Promise<Claim> =>
  await claim(db, {
    notifications: ids.map((id) => notification(id)),
    token: crypto.randomUUID(),
    now: at,
    leaseExpiresAt: at + 60_000,
    open: ["smtp", "resend"],
  });
const claimedOf = ({ claimed }: Claim): string[] => claimed.map(({ id }) => id).toSorted();

async function from(id: string, sender: string): Promise<void> {
  await db.prepare("UPDATE emails SET from_address = ?2 WHERE id = ?1").bind(id, sender).run();
}

describe("a pause", () => {
  it("of all emails lets none leave, and uses up no attempt", async () => {
    const ids = [await queueEmail(db, now), await queueEmail(db, now, { tenant: "user:a" })];
    await pause("all");
    const { claimed, early } = await claimAll(ids);
    expect(claimed).toEqual([]);
    expect(early.map(({ dueAt }) => dueAt)).toEqual(ids.map(() => now + HALF_AN_HOUR_MS));
    for (const id of ids)
      expect(await emailRow(db, id)).toMatchObject({
        status: "queued",
        attempts: 0,
        wait_class: "paused",
        waiting_since: null,
      });
  });

  it("of a tenant lets the others' emails leave", async () => {
    const a = await queueEmail(db, now, { tenant: "user:a" });
    const b = await queueEmail(db, now, { tenant: "user:b" });
    await pause("tenant:user:a");
    expect(claimedOf(await claimAll([a, b]))).toEqual([b]);
  });

  it.each(["Luna <Hello@Luna.example>", "hello@luna.example"])(
    "of a sender holds emails from %s, and no others",
    async (sender) => {
      const held = await queueEmail(db, now);
      await from(held, sender);
      const other = await queueEmail(db, now);
      await from(other, "Hello <other@luna.example>");
      await pause("sender:hello@luna.example");
      expect(claimedOf(await claimAll([held, other]))).toEqual([other]);
    },
  );

  it("holds an email whose outcome is open, too: asking again may send it", async () => {
    const id = await queueEmail(db, now);
    await db
      .prepare(
        `UPDATE emails SET status = 'pinned', transport = 'resend', pinned_until = ?2
         WHERE id = ?1`,
      )
      .bind(id, now + 3_600_000)
      .run();
    await pause("all");
    expect((await claimAll([id])).claimed).toEqual([]);
    expect(await emailRow(db, id)).toMatchObject({ status: "pinned" });
  });

  it("holds for longer than any wait, and its end lets the emails leave at once", async () => {
    const id = await queueEmail(db, now);
    await pause("all");
    let at = now;
    for (; at < now + 2 * waitLimits.maxWaitMs; at += 12 * 3_600_000)
      expect((await claimAll([id], at)).claimed).toEqual([]);
    const { ended, due } = await deletePause(db, "all", at);
    expect(ended).toBe(true);
    expect(due).toEqual([{ id, generation: 1, dueAt: at }]);
    expect(claimedOf(await claimAll([id], at))).toEqual([id]);
    expect(await eventTypes(db, id)).toEqual(["queued", "claimed"]);
  });

  it("that ended while an email waited shows no more once it is claimed", async () => {
    const id = await queueEmail(db, now);
    await pause("all");
    await claimAll([id]);
    await db.prepare("DELETE FROM email_pauses").run();
    await claimAll([id], now + HALF_AN_HOUR_MS);
    expect(await emailRow(db, id)).toMatchObject({ status: "claimed", wait_class: null });
  });

  it("does not count as waiting: a wait for another reason begins at its end", async () => {
    const id = await queueEmail(db, now);
    await pause("all");
    await claimAll([id]);
    const end = now + 2 * waitLimits.maxWaitMs;
    await deletePause(db, "all", end);
    await claimAll([id], end);
    expect(await emailRow(db, id)).toMatchObject({ waits_from: end });
  });

  it("holds also what waits for a server: no wait ends it", async () => {
    const id = await queueEmail(db, now);
    const what = { notifications: [notification(id)], until: now + 1, detail: "{}", now };
    await postpone(db, what);
    await pause("all");
    const late = now + waitLimits.maxWaitMs;
    expect(await endlessWaits(db, late, 10)).toEqual([]);
    await deletePause(db, "all", late);
    expect(await endlessWaits(db, late, 10)).toMatchObject([{ id }]);
  });

  it("that ends leaves what another one holds", async () => {
    const id = await queueEmail(db, now, { tenant: "user:a" });
    await pause("all");
    await pause("tenant:user:a");
    await claimAll([id]);
    await deletePause(db, "all", now + 1);
    expect((await claimAll([id], now + 1)).claimed).toEqual([]);
  });

  it("that there is not does not end", async () => {
    expect(await deletePause(db, "all", now)).toEqual({ ended: false, due: [] });
  });
});
