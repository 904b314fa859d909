import { afterAll, afterEach, beforeAll, beforeEach, expect, inject } from "vitest";
import { createTestHarness, type TestHarnessOptions } from "wrangler";
import type { ApiEnv } from "../../workers/env.ts";
import { eventually } from "../support/eventually.ts";
import { ADMIN_TOKEN, callApi, type Answer, type CallOptions } from "../support/http.ts";
import { wrongWithLine } from "../support/log-rules.ts";
import { SmtpSink } from "../support/sink.ts";

type WorkerInput = TestHarnessOptions["workers"][number];

/** Those of built-workers.ts. */
const configs = inject("stackConfigs");

/**
 * The three real Workers of the three real TOMLs in one runtime, beside an SMTP server that
 * misbehaves on command.
 *
 * @param consumerWorkers further Workers that bind what these offer
 * @param startedFor each test has a stack of its own, or all of a file share one, which takes a
 *   second and a half less for each
 */
export function useStack(
  vars: Record<string, string> = {},
  consumerWorkers: WorkerInput[] = [],
  startedFor: "test" | "file" = "test",
) {
  const server = createTestHarness();
  const api = server.getWorker<ApiEnv>("luna-api");
  let sink = new SmtpSink();

  beforeAll(async () => {
    const port = await sink.listen();
    const secrets = {
      ADMIN_TOKEN,
      SMTP_HOST: vars["SMTP_HOST"] ?? "127.0.0.1",
      SMTP_PORT: vars["SMTP_PORT"] ?? String(port),
      SMTP_SECURITY: vars["SMTP_SECURITY"] ?? "none",
      PUBLIC_URL: "http://luna.test",
      UNSUBSCRIBE_SECRET: ADMIN_TOKEN,
    };
    await server.update({
      workers: configs
        .map((configPath): WorkerInput => ({ configPath, vars, secrets }))
        .concat(consumerWorkers),
    });
  });
  let started = false;
  beforeEach(async () => {
    if (started) return;
    await server.listen();
    started = true;
    await api.applyD1Migrations("DB");
  });
  afterEach(async () => {
    sink.fault = () => null;
    sink.delivered.length = 0;
    sink.attempts.length = 0;
    const wrong = server.getLogs().flatMap(({ message }) => wrongWithLine(message));
    if (startedFor === "file") server.clearLogs();
    else {
      await server.close();
      started = false;
    }
    expect(wrong, "log lines").toEqual([]);
  });
  afterAll(async () => {
    await server.close();
    await sink.close();
  });

  const call = (
    method: string,
    path: string,
    body?: unknown,
    options?: CallOptions,
  ): Promise<Answer> =>
    callApi((at, init) => server.fetch(at, init), { method, path, body, ...options });
  const db = async (): Promise<D1Database> => (await api.getEnv()).DB;

  return {
    server,
    call,
    db,
    /** What the Workers have logged during this test. */
    lines: (): Record<string, unknown>[] =>
      server
        .getLogs()
        .flatMap(({ message }) =>
          message.startsWith("{") ? [JSON.parse(message) as Record<string, unknown>] : [],
        ),
    get sink() {
      return sink;
    },
    /** The mail server dies: nothing listens on its port any more. */
    async stopSink(): Promise<number> {
      const { port } = sink;
      await sink.close();
      return port;
    },
    /** It is back, on the same port, with what it had accepted. */
    async restartSink(port: number): Promise<void> {
      const { delivered } = sink;
      sink = new SmtpSink();
      sink.delivered.push(...delivered);
      await sink.listen(port);
    },
    /** Accepts an email and returns its id. */
    async send(to: string, fields: Record<string, unknown> = {}): Promise<string> {
      const { status, body } = await call("POST", "/api/emails", {
        to,
        subject: "Hello",
        text: "Hello there",
        ...fields,
      });
      if (status !== 202) throw new Error(`not accepted: ${JSON.stringify(body)}`);
      return String(body.id);
    },
    async email(id: string): Promise<Answer["body"]> {
      return (await call("GET", `/api/emails/${id}`)).body;
    },
    /** Waits until an email has a status, however long the queue takes. */
    async until(id: string, status: string): Promise<Answer["body"]> {
      return await eventually(async () => {
        const { body } = await call("GET", `/api/emails/${id}`);
        if (body.status !== status)
          throw new Error(`${id} is ${body.status}, not ${status}: ${JSON.stringify(body.events)}`);
        return body;
      });
    },
    /** Lets time pass for every email: leases, due times and notifications move into the past. */
    async timePasses(ms: number): Promise<void> {
      await (
        await db()
      )
        .prepare(
          `UPDATE emails SET due_at = due_at - ?1, ring_after = ring_after - ?1,
            lease_expires_at = lease_expires_at - ?1,
                             created_at = created_at - ?1, updated_at = updated_at - ?1`,
        )
        .bind(ms)
        .run();
    },
    async sweep(): Promise<Record<string, number>> {
      return (await call("POST", "/api/admin/scheduled-tasks/sweep-outbox/run")).body.result;
    },
  };
}
