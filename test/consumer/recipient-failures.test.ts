import { createMessageBatch } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { beforeAll, describe, expect, it, vi } from "vitest";
import page from "../../docs/explain/email-failures.md?raw";
import type { Recipient } from "../../shared/email/rules/mailboxes.ts";
import { findDeadLetter, recordDeadLetters, replay } from "../../shared/email/sql/dead-letters.ts";
import { findEmail } from "../../shared/email/sql/emails.ts";
import { fanOut } from "../../shared/lib/worker/fan-out.ts";
import worker from "../../workers/consumer/index.ts";
import type { ConsumerEnv } from "../../workers/env.ts";
import { emailRow, fakeQueue, notification, queueEmail, type EmailRow } from "../support/emails.ts";
import { startServer } from "../support/scripted-client.ts";
import type { SmtpFault } from "../support/scripted-smtp.ts";

/**
 * The second table of docs/explain/email-failures.md: what an SMTP server does to an email to ada,
 * bob and, in Bcc, eve. Each row runs through the whole consumer, with and without PIPELINING.
 */

const names = ["ada", "bob", "eve"] as const;
type Name = (typeof names)[number];
type Row = { does: string; onUnknown: "hold" | "resend"; faults: SmtpFault[] };

/** `to`: a name, which becomes its address. */
const rcpt = (to: Name, line: string, times?: number): SmtpFault => ({
  phase: "rcpt",
  do: "reply",
  line,
  to,
  ...(times !== undefined && { times }),
});
const lost: SmtpFault = { phase: "body", do: "drop", keeps: true };
const greylisted = "450 4.7.1 greylisted";
const noSuchUser = "550 5.1.1 no such user";
const row = (does: string, faults: SmtpFault[], onUnknown: Row["onUnknown"] = "hold"): Row => ({
  does,
  onUnknown,
  faults,
});

const rows: Row[] = [
  row("takes all", []),
  // With PIPELINING the server then refuses each recipient, too: it has no sender.
  ...[
    "550 5.7.1 blocked",
    "451 4.3.0 busy",
    "451 4.7.1 greylisted",
    "450 4.7.1 too many messages on this connection",
  ].map((line) => row(`MAIL: \`${line}\``, [{ phase: "mail", do: "reply", line }])),
  row("MAIL: `451 4.3.0 busy`, the first time", [
    { phase: "mail", do: "reply", line: "451 4.3.0 busy", times: 1 },
  ]),
  row(
    "RCPT: `503 5.5.1 MAIL first` for all, the first time",
    names.map((name) => rcpt(name, "503 5.5.1 MAIL first", 1)),
  ),
  row("DATA: `451 4.3.0 busy`, the first time", [
    { phase: "data", do: "reply", line: "451 4.3.0 busy", times: 1 },
  ]),
  row("RCPT: `550 5.1.1` for bob", [rcpt("bob", noSuchUser)]),
  row("RCPT: `550 5.7.1` for bob", [rcpt("bob", "550 5.7.1 blocked")]),
  row("RCPT: `550 5.1.1` for all", [{ phase: "rcpt", do: "reply", line: noSuchUser }]),
  row("RCPT: greylists bob", [rcpt("bob", greylisted)]),
  row("RCPT: greylists bob, the first time", [rcpt("bob", greylisted, 1)]),
  row(
    "RCPT: greylists all, the first time",
    names.map((name) => rcpt(name, greylisted, 1)),
  ),
  row("RCPT: `451 4.3.0` for bob", [rcpt("bob", "451 4.3.0 lookup failed")]),
  row("RCPT: `550 5.1.1` for ada, greylists bob, the first time", [
    rcpt("ada", noSuchUser),
    rcpt("bob", greylisted, 1),
  ]),
  row("RCPT: `550 5.1.1` for ada, greylists bob", [
    rcpt("ada", noSuchUser),
    rcpt("bob", greylisted),
  ]),
  row("RCPT: drops the connection at bob, the first time", [
    { phase: "rcpt", do: "drop", to: "bob", times: 1 },
  ]),
  row("after the dot: `554 5.7.1 spam`", [{ phase: "body", do: "reply", line: "554 5.7.1 spam" }]),
  row("after the dot: `451 4.7.1 later`, the first time", [
    { phase: "body", do: "reply", line: "451 4.7.1 later", times: 1 },
  ]),
  row("after the dot: `550 5.1.1` that names bob, the first time", [
    { phase: "body", do: "reply", line: "550 5.1.1 <bob>: no such user", times: 1 },
  ]),
  row("after the dot: keeps it and drops the connection", [lost]),
  row("after the dot: keeps it and drops the connection; `550 5.1.1` for bob", [
    lost,
    rcpt("bob", noSuchUser),
  ]),
  row("after the dot: keeps it and drops the connection; greylists bob", [
    lost,
    rcpt("bob", greylisted),
  ]),
  row(
    "after the dot: keeps it and drops the connection, the first time",
    [{ ...lost, times: 1 }],
    "resend",
  ),
];
const nameOf = ({ does, onUnknown }: Row): string => `${does} | ${onUnknown}`;

const documented = new Map(
  page
    .split("\n")
    .flatMap((line) =>
      /^\| (takes all|MAIL: |RCPT: |DATA: |after the dot: )/.test(line) ? [line] : [],
    )
    .map((line) => line.slice(2, -2).split(" | "))
    .map((cells) => [cells.slice(0, 2).join(" | "), cells.slice(2).join(" | ")] as const),
);

/** With one retry each row has ended by then. */
const MAX_ROUNDS = 6;
/** Longer than an email may wait. */
const DAYS_MS = 121 * 3_600_000;
const isOpen = ({ status }: EmailRow): boolean => status === "queued" || status === "pinned";

async function passDays(id: string): Promise<void> {
  await env.DB.prepare(
    `UPDATE emails SET generation_at = generation_at - ?2, waiting_since = waiting_since - ?2,
       created_at = created_at - ?2, due_at = 1
     WHERE id = ?1 AND status = 'queued'`,
  )
    .bind(id, DAYS_MS)
    .run();
}

let runs = 0;

async function measure({ faults, onUnknown }: Row, pipelining: boolean): Promise<string> {
  const run = (runs += 1);
  const addressOf = (name: string): string => `${name}@row-${run}.example.com`;
  const script = {
    pipelining,
    faults: faults.map((fault) => ({
      ...fault,
      ...(fault.to !== undefined && { to: addressOf(fault.to) }),
      ...(fault.do === "reply" && { line: fault.line.replace("<bob>", `<${addressOf("bob")}>`) }),
    })),
  };
  const server = await startServer({ kind: "smtp", script });
  const suffix = `#several-${run}`;
  const bindings: ConsumerEnv = {
    ...env,
    CIRCUIT_BREAKER: {
      getByName: (name: string) => env.CIRCUIT_BREAKER.getByName(name + suffix),
    } as ConsumerEnv["CIRCUIT_BREAKER"],
    EMAIL_QUEUE: fakeQueue().queue,
    EMAIL_DLQ: fakeQueue().queue,
    EMAIL_MAX_RETRIES: "1",
  };
  const recipients = names.map((name): Recipient => {
    const kind = name === "eve" ? "bcc" : "to";
    return { kind, name: "", address: addressOf(name) };
  });
  const to = addressOf("ada");
  const id = await queueEmail(env.DB, Date.now(), { onUnknown, to, recipients });
  const deliver = async (port: number): Promise<EmailRow> => {
    const { generation } = await emailRow(env.DB, id);
    const body = notification(id, generation);
    const message = { id: crypto.randomUUID(), timestamp: new Date(), attempts: 1, body };
    const batch = createMessageBatch("luna-email", [message]);
    await worker.queue(batch, { ...bindings, SMTP_PORT: String(port) });
    return await emailRow(env.DB, id);
  };

  let email = await deliver(server.port);
  const waits = email.wait_class === null ? email.status : `waits (${email.wait_class})`;
  const first = isOpen(email) ? waits : email.status;
  for (let round = 2; round <= MAX_ROUNDS && isOpen(email); round += 1) {
    if (round > 2) await passDays(id);
    await env.DB.prepare("UPDATE emails SET due_at = 1 WHERE id = ?1").bind(id).run();
    email = await deliver(server.port);
  }
  const { status, generation, dead_reason: reason } = email;
  const shown = (await findEmail(env.DB, id))?.email;
  const part = await env.DB.prepare("SELECT part FROM emails WHERE id = ?1").bind(id).first("part");
  const copies = (got: string[] = []): string =>
    names.map((name) => got.filter((one) => one === addressOf(name)).length).join(" ");
  const { got } = await server.report();
  await recordDeadLetters(env.DB, [{ id, generation }], 7, Date.now());
  const letter = (await findDeadLetter(env.DB, id))?.recipients ?? [];
  const healthy = await startServer({ kind: "smtp", script: { pipelining } });
  await replay(env.DB, [id], 0, Date.now());
  await deliver(healthy.port);
  const replayed = await healthy.report();
  const short = (list: readonly string[]): string =>
    list.map((one) => one.slice(0, one.indexOf("@"))).join(", ") || "–";
  return [
    first,
    reason === null ? status : `${status}: ${reason}`,
    shown?.recipients.map(({ state }) => state).join(", "),
    copies(got),
    part,
    short(letter),
    short(replayed.got ?? []),
  ].join(" | ");
}

describe("an email to several recipients, when a server fails", () => {
  const measured = new Map<string, string[]>();

  beforeAll(async () => {
    for (const level of ["info", "warn", "error"] as const)
      vi.spyOn(console, level).mockReturnValue();
    await fanOut(rows, async (one) => {
      measured.set(nameOf(one), await Promise.all([measure(one, false), measure(one, true)]));
    });
  });

  it("has these rows on the page", () => {
    expect([...documented.keys()].toSorted()).toEqual(rows.map(nameOf).toSorted());
  });

  it.each(rows.map(nameOf))("%s", (name) => {
    for (const cells of measured.get(name) ?? [])
      expect(`| ${name} | ${cells} |`).toBe(`| ${name} | ${documented.get(name)} |`);
  });

  it("nobody gets two copies, unless the email is to be sent again without an answer", () => {
    const held = rows.filter(({ onUnknown }) => onUnknown === "hold").map(nameOf);
    for (const name of held) {
      for (const cells of measured.get(name) ?? [])
        expect(cells.split(" | ")[3]).toMatch(/^[01] [01] [01]$/);
    }
  });
});
