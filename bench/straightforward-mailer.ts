import MailComposer from "nodemailer/lib/mail-composer";
import SMTPConnection from "nodemailer/lib/smtp-connection";
import { notificationFor } from "../shared/email/queue-messages.ts";
import type { ConsumerEnv } from "../workers/env.ts";

/**
 * How emails are often sent from a queue: a row and a message each, and for each message one row
 * read, one send and one update. A crash between the last two sends an email twice, and what the
 * queue loses stays unsent.
 */

export const straightforwardTable = `CREATE TABLE IF NOT EXISTS plain_emails
  (id TEXT PRIMARY KEY, recipient TEXT NOT NULL, subject TEXT NOT NULL, text TEXT NOT NULL,
   status TEXT NOT NULL) STRICT`;

export type PlainEmail = { to: string; subject: string; text: string };
type Row = PlainEmail & { status: string };

export async function acceptPlainly(env: ConsumerEnv, emails: PlainEmail[]): Promise<string[]> {
  const ids: string[] = [];
  for (const email of emails) {
    const id = await insertPlainly(env.DB, email);
    await env.EMAIL_QUEUE.send(notificationFor({ id, generation: 1 }));
    ids.push(id);
  }
  return ids;
}

/** No queue and no history: what no way to store an email can do without. */
export async function insertBarely(env: ConsumerEnv, emails: PlainEmail[]): Promise<string[]> {
  const ids: string[] = [];
  for (const email of emails) ids.push(await insertPlainly(env.DB, email));
  return ids;
}

export async function insertPlainly(
  db: D1Database,
  { to, subject, text }: PlainEmail,
): Promise<string> {
  const id = crypto.randomUUID();
  await db
    .prepare(
      `INSERT INTO plain_emails (id, recipient, subject, text, status)
       VALUES (?1, ?2, ?3, ?4, 'queued')`,
    )
    .bind(id, to, subject, text)
    .run();
  return id;
}

/** Messages are taken in turn, `atOnce` at a time. */
export async function deliverPlainly(
  env: ConsumerEnv,
  ids: string[],
  atOnce: number,
): Promise<void> {
  for (let start = 0; start < ids.length; start += atOnce) {
    await Promise.all(ids.slice(start, start + atOnce).map((id) => deliverOne(env, id)));
  }
}

async function deliverOne(env: ConsumerEnv, id: string): Promise<void> {
  const email = await env.DB.prepare(
    `SELECT recipient AS "to", subject, text, status FROM plain_emails WHERE id = ?1`,
  )
    .bind(id)
    .first<Row>();
  if (email?.status !== "queued") return;
  await sendPlainly(env, email);
  await env.DB.prepare("UPDATE plain_emails SET status = 'sent' WHERE id = ?1").bind(id).run();
}

export async function sendPlainly(
  env: ConsumerEnv,
  { to, subject, text }: PlainEmail,
): Promise<void> {
  const from = "hello@luna.example";
  const bytes = await new MailComposer({ from, to, subject, text }).compile().build();
  const connection = new SMTPConnection({
    host: env.SMTP_HOST ?? "",
    port: Number(env.SMTP_PORT),
    ignoreTLS: true,
    logger: false,
  });
  await new Promise<void>((resolve, reject) => {
    connection.once("error", reject);
    connection.connect((failed) => {
      if (failed) return reject(failed);
      connection.send({ from, to: [to] }, bytes, (error) => (error ? reject(error) : resolve()));
    });
  });
  connection.quit();
}
