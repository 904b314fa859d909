import { expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { ADMIN_TOKEN } from "../support/http.ts";
import { steps } from "../support/runbooks.ts";
import { useStack } from "./support.ts";
import { walkerOn } from "./walk.ts";

/**
 * Walks through the runbooks of what fails: something is really wrong, the requests are those of
 * the page, and at the end it is over by the page's own check.
 */

// One refusal is the last one: nobody waits for three more.
const stack = useStack({ EMAIL_MAX_RETRIES: "0" });
const { call, send, until } = stack;
const { walk, look, health, breaker, signUp, run, forgottenEmail } = walkerOn(stack);

it("circuit-breaker-open: an operator opens one before maintenance, looks, holds it closed, lets it go and resets it", async () => {
  const name = "cache";
  const inAnHour = new Date(Date.now() + 3_600_000).toISOString();
  await walk("circuit-breaker-open", "press", "openCircuitBreaker", {
    filled: { name, time: inAnHour },
  });
  await look("circuit-breaker-open", { name });
  expect(await breaker(name)).toMatchObject({
    state: "OPEN",
    override: "forced-open",
    lastTransition: { cause: "open", reason: "maintenance" },
  });
  await eventually(async () =>
    expect(await health()).toMatchObject({
      status: "degraded",
      checks: { breakers: { states: { [name]: "OPEN" } } },
    }),
  );
  await walk("circuit-breaker-open", "press", "closeCircuitBreaker", { filled: { name } });
  expect(await breaker(name)).toMatchObject({ state: "CLOSED", override: "forced-closed" });
  await walk("circuit-breaker-open", "press", "enableCircuitBreaker", { filled: { name } });
  await walk("circuit-breaker-open", "press", "resetCircuitBreaker", { filled: { name } });
  expect(await breaker(name)).toMatchObject({ state: "CLOSED", override: "none" });
  await eventually(async () => expect((await health()).status).toBe("ok"));
});

it("dead-letters-growing: what was refused too often is looked at, tried dry, and replayed once the server is back; one is discarded", async () => {
  stack.sink.fault = (phase) =>
    phase === "rcpt" ? { phase, do: "refuse", code: 451, text: "later" } : null;
  const ids = [await send("ada@example.com"), await send("bob@example.com")];
  for (const id of ids) await until(id, "dead");
  await eventually(async () => expect((await health()).checks.email.dead).toBe(2));
  await eventually(async () =>
    expect((await call("GET", "/api/admin/email/dlq")).body.items).toHaveLength(2),
  );
  await look("dead-letters-growing", { id: ids[0] ?? "" });
  stack.sink.fault = () => null;
  await walk("dead-letters-growing", "press", "discardDeadLetter", {
    filled: { id: ids[1] ?? "" },
  });
  expect((await walk("dead-letters-growing", "press", "processDeadLetters")).body).toMatchObject({
    processed: 1,
    errors: 0,
  });
  expect((await stack.email(ids[0] ?? "")).status, "a dry run changes nothing").toBe("dead");
  expect(
    (await walk("dead-letters-growing", "press", "processDeadLetters", { nth: 1 })).body,
  ).toMatchObject({ processed: 1, errors: 0 });
  await until(ids[0] ?? "", "sent");
  expect(stack.sink.copiesOf(ids[0] ?? "")).toBe(1);
  expect((await stack.email(ids[1] ?? "")).status).toBe("discarded");
  expect((await health()).checks.email.dead).toBe(0);
});

it("queue-stuck: an email is due for minutes, /health reports it, one request notifies for it, and it is delivered", async () => {
  await forgottenEmail("stuck");
  const sick = await health();
  expect(sick.status).toBe("degraded");
  expect(sick.checks.email.oldestDueSeconds).toBeGreaterThan(300);
  await look("queue-stuck");
  expect((await walk("queue-stuck", "press", "runTask")).body.result).toMatchObject({
    notified: 1,
  });
  await until("stuck", "sent");
  expect(stack.sink.copiesOf("stuck")).toBe(1);
  await eventually(async () =>
    expect(await health()).toMatchObject({
      status: "ok",
      checks: { email: { oldestDueSeconds: 0, due: 0, inFlight: 0 } },
    }),
  );
  expect((await walk("queue-stuck", "press", "tick")).body.failed).toBe(0);
});

it("provider-down: emails wait behind the open breaker; once the server is back a reset and a replay bring all of them in, each once", async () => {
  const port = await stack.stopSink();
  const ids: string[] = [];
  for (let n = 0; n < 6; n += 1) ids.push(await send(`user-${n}@example.com`));
  await eventually(async () =>
    expect(await breaker("email:smtp")).toMatchObject({ state: "OPEN" }),
  );
  for (let n = 6; n < 9; n += 1) ids.push(await send(`user-${n}@example.com`));
  await eventually(async () =>
    expect((await stack.email(ids[8] ?? "")).lastError).toMatchObject({ phase: "circuit-breaker" }),
  );
  await look("provider-down", { name: "email:smtp", id: ids[0] ?? "" });
  await walk("provider-down", "press", "retryEmail", { filled: { id: ids[8] ?? "" } });
  await stack.restartSink(port);
  await walk("provider-down", "press", "resetCircuitBreaker", { filled: { name: "email:smtp" } });
  expect(await breaker("email:smtp")).toMatchObject({ state: "CLOSED" });
  const raised = { filled: { transport: "smtp" } };
  expect((await walk("provider-down", "press", "resetEmailTransport", raised)).status).toBe(200);
  // Those that failed before it opened are dead letters by now, those after it wait.
  await eventually(async () => {
    await walk("provider-down", "press", "processDeadLetters");
    await stack.timePasses(60_000);
    await walk("provider-down", "press", "runTask");
    expect(
      (await Promise.all(ids.map((id) => stack.email(id)))).map(({ status }) => status),
    ).toEqual(ids.map(() => "sent"));
  });
  expect(ids.map((id) => stack.sink.copiesOf(id))).toEqual(ids.map(() => 1));
  expect((await health()).checks.email).toMatchObject({ due: 0, inFlight: 0, unknown: 0, dead: 0 });
});

it("task-overdue: the history has the reason why a task failed; then it runs, and its failed run is repeated", async () => {
  await run("ALTER TABLE webhook_messages RENAME TO away");
  const failed = await walk("task-overdue", "press", "runTask", {
    filled: {
      task: "expire-webhook-messages",
    },
  });
  expect(failed.body).toMatchObject({
    status: "failure",
    error: { message: expect.stringContaining("no such table") },
  });
  await run("ALTER TABLE away RENAME TO webhook_messages");
  await look("task-overdue");
  expect(
    (await walk("task-overdue", "press", "retryRun", { filled: { run: failed.body.runId } })).body,
  ).toMatchObject({ status: "success" });
  expect((await walk("task-overdue", "press", "tick")).body.failed).toBe(0);
  expect((await health()).checks.tasks).toEqual({ status: "ok", overdue: [] });
});

it("d1-down: nothing is accepted and /health is down while no query is answered; what was cached is, and the emails go out afterwards", async () => {
  await signUp("ada");
  await until((await call("GET", "/api/emails?limit=1")).body.items[0].id, "sent");
  await call("GET", "/api/users/ada");
  await forgottenEmail("waiting");
  for (const table of ["users", "emails"])
    await run(`ALTER TABLE ${table} RENAME TO ${table}_away`);
  expect(await call("GET", "/health")).toMatchObject({ status: 503, body: { status: "down" } });
  expect(
    (await call("POST", "/api/emails", { to: "bob@example.com", subject: "Hi", text: "Hi" }))
      .status,
  ).toBe(503);
  expect((await call("GET", "/api/users/ada")).status).toBe(200);
  expect((await call("GET", "/api/users/bob")).status).toBe(503);
  const inAnHour = new Date(Date.now() + 3_600_000).toISOString();
  await walk("d1-down", "press", "openCircuitBreaker", { filled: { time: inAnHour } });
  expect(await breaker("database")).toMatchObject({ state: "OPEN" });
  await eventually(async () =>
    expect((await call("GET", "/api/users/carol")).body.type).toBe("urn:luna:problem:circuit-open"),
  );

  for (const table of ["users", "emails"])
    await run(`ALTER TABLE ${table}_away RENAME TO ${table}`);
  await walk("d1-down", "press", "resetCircuitBreaker");
  await walk("d1-down", "press", "runTask");
  await until("waiting", "sent");
  await look("d1-down");
  await eventually(async () =>
    expect(await health()).toMatchObject({
      status: "ok",
      checks: { email: { due: 0, unknown: 0 }, cache: { owedPurges: 0 } },
    }),
  );
  expect(
    (await (await stack.db()).prepare("SELECT COUNT(*) AS n FROM emails").first("n")) as number,
    "the refused one was not written",
  ).toBe(2);
});

it("kv-down: the drill: reads are answered past KV while its breaker is forced open, and by KV again after the reset", async () => {
  for (const user of ["ada", "bob", "carol"]) await signUp(user);
  await walk("kv-down", "press", "openCircuitBreaker");
  const statusOf = async (path: string): Promise<string> => {
    const { status, headers } = await call("GET", path);
    expect(status).toBe(200);
    return headers.get("Cache-Status") ?? "";
  };
  let n = 0;
  await eventually(async () => {
    const user = ["ada", "bob", "carol"][n % 3] ?? "";
    n += 1;
    await call("POST", "/api/admin/cache/invalidate", { userId: user });
    expect(await statusOf(`/api/users/${user}`)).toContain("detail=kv-open");
  });
  await look("kv-down");
  expect((await health()).checks.breakers.states.cache).toBe("OPEN");
  await walk("kv-down", "press", "resetCacheBreaker");
  await eventually(async () =>
    expect((await call("GET", "/api/cache/metrics")).body.circuitBreakerState).toBe("CLOSED"),
  );
  await eventually(async () => {
    await call("POST", "/api/admin/cache/invalidate", { userId: "ada" });
    expect(await statusOf("/api/users/ada")).not.toContain("kv-");
    expect((await health()).status).toBe("ok");
  });
});

it("errors: the metrics show which operation fails, a caller who makes all of it loses their key, and the count stands still once the cause is gone", async () => {
  const key = await signUp("ada");
  await run("ALTER TABLE teams RENAME TO away");
  for (let n = 0; n < 3; n += 1) expect((await call("GET", `/api/teams/${n}`)).status).toBe(503);
  const counted = async (status: string): Promise<number> => {
    const { path } = steps("errors", "look").find((one) => one.path === "/metrics") ?? { path: "" };
    const text = await (
      await stack.server.fetch(path, { headers: { Authorization: `Bearer ${ADMIN_TOKEN}` } })
    ).text();
    const series = [...text.matchAll(/^luna_http_requests_total\{(.*)\} (\d+)$/gm)];
    const ours = series.filter(
      ([, labels = ""]) =>
        labels.includes('operation="getTeam"') && labels.includes(`status="${status}"`),
    );
    return ours.reduce((sum, [, , count]) => sum + Number(count), 0);
  };
  await eventually(async () => expect(await counted("5xx")).toBeGreaterThanOrEqual(3));
  await run("ALTER TABLE away RENAME TO teams");
  await look("errors");
  await walk("errors", "press", "revokeApiKey", { filled: { user: "ada" } });
  expect((await call("GET", "/api/me", undefined, { token: key })).status).toBe(401);
  const [failed, refused] = [await counted("5xx"), await counted("4xx")];
  await eventually(async () => expect((await call("GET", "/api/teams/1")).status).toBe(404));
  await eventually(async () => expect(await counted("4xx")).toBeGreaterThan(refused));
  expect(await counted("5xx")).toBe(failed);
  expect((await health()).checks.database.status).toBe("ok");
});
