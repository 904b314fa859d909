import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { useStack } from "./support.ts";

/** Five Workers that share only the breaker: each runs in an isolate of its own. */
const names = [1, 2, 3, 4, 5].map((n) => `consumer-worker-${n}`);
const consumerWorkers = names.map((name) => ({
  config: {
    name,
    main: "./test/stack/fixtures/consumer-worker.ts",
    compatibility_date: "2026-11-01",
    durable_objects: {
      bindings: [
        { name: "CIRCUIT_BREAKER", class_name: "CircuitBreaker", script_name: "luna-api" },
      ],
    },
  },
}));
// An open time that a test can wait for.
const stack = useStack({ BREAKER_OPEN_SECONDS: "2" }, consumerWorkers, "file");
const { call, send, until } = stack;
const path = "/api/admin/circuit-breakers";

/** Each test has one of its own. */
let breaker = "";
beforeEach(({ task }) => void (breaker = `shared-${task.id}`));

async function ask(name: string, what: string, url = ""): Promise<Record<string, unknown>> {
  const query = new URLSearchParams({ breaker, url }).toString();
  const response = await stack.server
    .getWorker(name)
    .fetch(`http://consumer-worker.test/${what}?${query}`);
  return (await response.json()) as Record<string, unknown>;
}

const evict = (name: string): Promise<void> =>
  stack.server.getWorker("luna-api").evictDurableObject("CircuitBreaker", { name });

it("five isolates with one failure each open the breaker, though its object is dropped from memory between them, and all of them apply it", async () => {
  for (const [n, name] of names.entries()) {
    expect(await ask(name, "fail")).toEqual({ answer: "failure" });
    const expected = n < 4 ? { state: "CLOSED", failures: n + 1 } : { epoch: 2 };
    await eventually(async () =>
      expect(await ask("consumer-worker-1", "inspect")).toMatchObject(expected),
    );
    await evict(breaker);
  }
  expect(await ask("consumer-worker-1", "history")).toMatchObject({
    value: [{ from: "CLOSED", to: "OPEN", cause: "threshold" }],
  });
});

it("an operator's verbs by RPC from another Worker reach every isolate, and stand in the history", async () => {
  for (const name of names) await ask(name, "succeed");
  expect(await ask("consumer-worker-1", "open")).toMatchObject({
    ok: true,
    value: { state: "OPEN" },
  });
  await evict(breaker);
  await eventually(async () => {
    const answers = await Promise.all(names.map((name) => ask(name, "succeed")));
    expect(answers.map(({ answer }) => answer)).toEqual(names.map(() => "rejected"));
  });
  for (const command of ["close", "disable", "enable", "reset"])
    expect(await ask("consumer-worker-2", command)).toMatchObject({ ok: true });
  await eventually(async () => {
    const answers = await Promise.all(names.map((name) => ask(name, "succeed")));
    expect(answers.map(({ answer }) => answer)).toEqual(names.map(() => "success"));
  });
  const { value } = (await ask("consumer-worker-3", "history")) as {
    value: { cause: string; actor: string }[];
  };
  expect(value.map(({ cause, actor }) => [cause, actor])).toEqual(
    ["reset", "enable", "disable", "close", "open"].map((cause) => [cause, "consumer-worker"]),
  );
});

it("a mail server that dies opens its breaker: emails wait and burn no attempt; when it is back one probe goes first and all arrive once", async () => {
  const port = await stack.stopSink();
  const ids: string[] = [];
  for (let n = 0; n < 8; n += 1) ids.push(await send(`user-${n}@example.com`));
  const smtp = async () =>
    (await call("GET", path)).body.items.find(
      (item: { name: string }) => item.name === "email:smtp",
    );
  await eventually(async () => expect((await smtp()).state).not.toBe("CLOSED"));
  await eventually(async () => {
    const emails = await Promise.all(ids.map((id) => stack.email(id)));
    expect(
      emails.some(
        ({ status, lastError }) => status === "queued" && lastError?.phase === "circuit-breaker",
      ),
    ).toBe(true);
  });
  expect((await call("GET", "/health")).body.status).toBe("degraded");

  await stack.restartSink(port);
  for (const id of ids) {
    const email = await until(id, "sent");
    expect(email.attempts).toBeLessThanOrEqual(4);
    expect(stack.sink.copiesOf(id)).toBe(1);
  }
  const history = (
    await call("GET", `${path}/email:smtp/history?limit=100`)
  ).body.items.toReversed();
  const causes: string[] = history.map((item: { cause: string }) => item.cause);
  expect(causes[0]).toBe("threshold");
  expect(causes).toContain("probe-succeeded");
  // Between two openings there is one probe, never two.
  expect(causes.join()).toMatch(
    /^threshold(,probe-permitted,probe-failed)*,probe-permitted,probe-succeeded(,recovered)?$/,
  );
});

it("what a server answers about one recipient never opens it", async () => {
  stack.sink.fault = (phase) =>
    phase === "rcpt" ? { phase, do: "refuse", code: 550, text: "no such user" } : null;
  const ids: string[] = [];
  for (let n = 0; n < 8; n += 1) ids.push(await send(`unknown-${n}@example.com`));
  for (const id of ids) await until(id, "dead");
  const { items } = (await call("GET", path)).body;
  expect(items[1]).toMatchObject({ name: "email:smtp", state: "CLOSED", failures: 0 });
});

describe("a server that five Workers call all the time", () => {
  /** Which Workers it refuses now. */
  let refuses: (worker: string) => boolean = () => false;
  let server: Server;
  let url = "";
  beforeEach(async () => {
    server = createServer((request, response) => {
      response.writeHead(refuses(request.url?.slice(1) ?? "") ? 503 : 200).end();
    });
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => void server.close());

  /** Each Worker calls once. @returns the answers by Worker */
  const round = async (): Promise<unknown[]> =>
    await Promise.all(
      names.map(async (name) => (await ask(name, "call", `${url}/${name}`))["answer"]),
    );
  const rounds = async (done: (answers: unknown[]) => boolean, from = 0): Promise<unknown[]> => {
    const answers = await round();
    return done(answers) || from > 5_000 ? answers : await rounds(done, from + 1);
  };
  const all = (what: string) => (answers: unknown[]) => answers.every((answer) => answer === what);
  const state = async () => (await ask("consumer-worker-1", "inspect"))["state"];

  /** Successes are reported with the next renewal: until then five failures are all that counts. */
  const knowTheTraffic = async (): Promise<void> => {
    refuses = () => false;
    await eventually(async () => {
      expect(all("success")(await round())).toBe(true);
      expect((await ask("consumer-worker-1", "inspect"))["calls"]).toBeGreaterThan(100);
    });
  };

  it("and that refuses one of them is not called by that one, and goes on for the others", async () => {
    await knowTheTraffic();
    refuses = (worker) => worker === "consumer-worker-1";
    const others: unknown[] = [];
    const answers = await rounds((now) => {
      others.push(...now.slice(1));
      return now[0] === "rejected";
    });
    expect(answers[0]).toBe("rejected");
    expect(new Set(others)).toEqual(new Set(["success"]));
    expect(await state()).toBe("CLOSED");
    refuses = () => false;
    expect(all("success")(await rounds(all("success")))).toBe(true);
  });

  it("and that dies is called by none of them; back with half of its strength it is not overloaded, and in the end all call it", async () => {
    await knowTheTraffic();
    refuses = () => true;
    expect(all("rejected")(await rounds(all("rejected")))).toBe(true);
    // Each of them may have paused before the breaker opened. Held calls count as failures.
    await eventually(async () => {
      await round();
      expect(await state()).not.toBe("CLOSED");
    });
    let calls = 0;
    refuses = () => (calls += 1) % 2 === 0;
    await rounds(() => calls > 10);
    refuses = () => false;
    const isClosed = async (): Promise<void> => {
      await round();
      expect(await state()).toBe("CLOSED");
    };
    await eventually(isClosed);
    expect(all("success")(await rounds(all("success")))).toBe(true);
    const { value } = (await ask("consumer-worker-3", "history")) as { value: { cause: string }[] };
    const causes = value.map(({ cause }) => cause);
    expect(causes[0]).toBe("recovered");
    expect(causes).toContain("probe-succeeded");
    expect(causes.at(-1)).toBe("threshold");
  });
});
