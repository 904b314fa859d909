import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { runs as propertyRuns, seed } from "../support/seed.ts";
import { SmtpSink } from "../support/sink.ts";
import { freePort, Luna, openDatabase } from "./luna.ts";

const runs = Math.ceil(Math.min(propertyRuns, 100_000) / 5_000);
const EMAILS = 60;

const cleanUps: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

/** Run `n` of a seed always kills after the same time and with the same emails hanging. */
const planFor = (run: number) =>
  fc.sample(
    fc.record({
      killAfterMs: fc.integer({ min: 500, max: 4_000 }),
      hanging: fc.uniqueArray(fc.nat(EMAILS - 1), { minLength: 2, maxLength: 4 }),
    }),
    {
      seed: seed + run,
      numRuns: 1,
    },
  )[0];

it.each(Array.from({ length: runs }, (_, run) => run))(
  "a SIGKILL of everything loses no accepted email and sends none twice; only emails in " +
    "hand-over may be unknown, and they are counted (run %i)",
  async (run) => {
    const { killAfterMs, hanging } = planFor(run) ?? { killAfterMs: 0, hanging: [] };
    const sink = new SmtpSink();
    const stateDir = mkdtempSync(join(tmpdir(), "luna-sigkill-"));
    cleanUps.push(
      () => sink.close(),
      () => rmSync(stateDir, { recursive: true, force: true }),
    );
    // A third is refused for now, so that its retries are delayed messages of the in-memory queue;
    // some hang in hand-over.
    sink.fault = (phase, to) => {
      const n = Number(/\d+/.exec(to)?.[0]);
      if (phase === "rcpt" && n % 3 === 0) return { phase, do: "refuse", code: 451 };
      return phase === "data" && hanging.includes(n) ? { phase, do: "hang" } : null;
    };
    const env = {
      PORT: String(await freePort()),
      STATE_DIR: stateDir,
      SMTP_HOST: "127.0.0.1",
      SMTP_PORT: String(await sink.listen()),
      SMTP_SECURITY: "none",
    };

    const first = new Luna(env);
    cleanUps.push(() => first.destroy());
    await first.ready();
    const posts = Array.from({ length: EMAILS }, (_, n) =>
      first.call("POST", "/api/emails", {
        to: `n${n}@example.com`,
        subject: `Email ${n}`,
        text: "Hi",
      }),
    );
    const accepted = (await Promise.all(posts)).map(({ status, body }) =>
      status === 202 ? String(body.id) : "",
    );
    expect(accepted).not.toContain("");
    await new Promise((resolve) => setTimeout(resolve, killAfterMs));
    await first.signal("SIGKILL", "group");
    sink.fault = () => null;

    // What was being handed over at that instant. Then two minutes pass: every lease, due time and
    // notification lies in the past.
    const database = openDatabase(stateDir);
    const inHandOver = new Set(
      database
        .prepare("SELECT id FROM emails WHERE status = 'sending'")
        .all()
        .map((row) => String(row["id"])),
    );
    database.exec(
      `UPDATE emails SET due_at = due_at - 120000, ring_after = ring_after - 120000,
        lease_expires_at = lease_expires_at - 120000`,
    );
    database.close();

    const second = new Luna(env);
    cleanUps.push(() => second.destroy());
    await second.ready();
    const fates = new Map<string, string>();
    await eventually(async () => {
      for (const id of accepted.filter((one) => !fates.has(one))) {
        const { body } = await second.call("GET", `/api/emails/${id}`);
        if (body.status === "sent" || body.status === "unknown") fates.set(id, String(body.status));
      }
      if (fates.size < accepted.length)
        throw new Error(`${accepted.length - fates.size} emails are still on their way`);
    });

    const unknown = accepted.filter((id) => fates.get(id) === "unknown");
    const story =
      `seed ${seed}, killed after ${killAfterMs} ms, ${inHandOver.size} in hand-over, ` +
      `${unknown.length} unknown`;
    process.stderr.write(`${story}\n`);
    const copies = (status: string): number[] =>
      accepted.filter((id) => fates.get(id) === status).map((id) => sink.copiesOf(id));
    expect(
      copies("sent").filter((count) => count !== 1),
      story,
    ).toEqual([]);
    expect(
      copies("unknown").filter((count) => count > 1),
      story,
    ).toEqual([]);
    expect(inHandOver.size).toBeLessThanOrEqual(5);
    expect(
      unknown.filter((id) => !inHandOver.has(id)),
      story,
    ).toEqual([]);
    expect((await second.call("GET", "/health")).body.checks.email.unknown).toBe(unknown.length);
    expect(await second.signal("SIGTERM")).toBe(0);
  },
);
