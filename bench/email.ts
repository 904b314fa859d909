import { readFileSync } from "node:fs";
import { parse } from "smol-toml";
import { createTestHarness } from "wrangler";
import { SmtpSink } from "../test/support/sink.ts";
import { median, ratios, type Ratio } from "./measure.ts";
import type { EmailBenchReply } from "./workers/email.ts";

/**
 * Accepting and delivering emails beside a straightforward consumer, in one runtime, against one
 * SMTP server that takes all at once.
 */

const EMAILS = 200;
const ROUNDS = 5;
const SIZES = [1, 10, 100];
const BARE = "bare INSERT";
const WAYS = ["straightforward", "straightforward, 5 at once", "luna", "SMTP alone, 5 at once"];

type Cell = { way: string; size: number; replies: EmailBenchReply[] };

/** What a network adds to a round trip in the row that has one: D1 is another machine. */
const AWAY_MS = 20;

export async function emailRows(): Promise<Ratio[]> {
  const cells = cellsOf(WAYS).filter(
    // One by one there is nothing to do at once.
    ({ way, size }) => size > 1 || way !== "straightforward, 5 at once",
  );
  await measure(cells, "both");
  const accepting = cells.filter(({ way }) => way === "straightforward" || way === "luna");
  return SIZES.flatMap((size) => [
    ...compared(`emails accepted, ${size} per call`, accepting, size, accepted),
    ...compared(`emails delivered, batches of ${size}`, cells, size, (reply) => ({
      ms: reply.deliverMs,
      trips: reply.deliverTrips,
    })),
  ]);
}

/** Accepting alone, beside an INSERT that keeps no key and no history and notifies no queue. */
export async function acceptRows(): Promise<Ratio[]> {
  const [local, away] = [cellsOf([BARE, "luna"]), cellsOf([BARE, "luna"])];
  await measure(local, "accept");
  await measure(away, "accept", AWAY_MS);
  return SIZES.flatMap((size) => [
    ...compared(`accept, ${size} per call`, local, size, accepted),
    ...compared(`accept, ${size} per call, D1 ${AWAY_MS} ms away`, away, size, accepted),
  ]);
}

const cellsOf = (ways: string[]): Cell[] =>
  SIZES.flatMap((size) => ways.map((way): Cell => ({ way, size, replies: [] })));

const accepted = (reply: EmailBenchReply) => ({ ms: reply.acceptMs, trips: reply.acceptTrips });

/** Measures the cells in turns, in one runtime. */
async function measure(cells: readonly Cell[], only: "both" | "accept", awayMs = 0): Promise<void> {
  const sink = new SmtpSink({ greetsAtOnce: true });
  const server = createTestHarness();
  // luna-consumer as it is configured, but that nothing consumes the queue, and that the breaker
  // lives in the same Worker.
  const toml = parse(readFileSync("wrangler.consumer.toml", "utf8"));
  const config = {
    ...toml,
    main: "./bench/workers/email.ts",
    queues: { producers: (toml["queues"] as { producers: object[] }).producers },
    durable_objects: { bindings: [{ name: "CIRCUIT_BREAKER", class_name: "CircuitBreaker" }] },
    migrations: [{ tag: "v1", new_sqlite_classes: ["CircuitBreaker"] }],
  };
  const secrets = {
    SMTP_HOST: "127.0.0.1",
    SMTP_PORT: String(await sink.listen()),
    SMTP_SECURITY: "none",
  };
  await server.update({ workers: [{ config, secrets }] });
  try {
    await server.listen();
    await server.getWorker("luna-consumer").applyD1Migrations("DB");
    for (let round = -1; round < ROUNDS; round += 1) {
      for (const { way, size, replies } of cells) {
        const asked = new URLSearchParams({ way, size: `${size}`, emails: `${EMAILS}`, only });
        const answer = await server.fetch(`/?${asked.toString()}&away=${awayMs}`);
        if (!answer.ok) throw new Error(`${way}: ${await answer.text()}`);
        const reply = (await answer.json()) as EmailBenchReply;
        if (sink.delivered.length !== (only === "accept" ? 0 : EMAILS))
          throw new Error(`${way}: ${sink.delivered.length} of ${EMAILS} emails arrived`);
        sink.delivered.length = sink.attempts.length = 0;
        if (round >= 0) replies.push(reply);
      }
    }
  } finally {
    await server.close();
    await sink.close();
  }
}

function compared(
  what: string,
  cells: Cell[],
  size: number,
  of: (reply: EmailBenchReply) => { ms: number; trips: number },
): Ratio[] {
  const peer = cells.some(({ way }) => way === BARE) ? BARE : "straightforward";
  const each = (figure: (reply: EmailBenchReply) => number) =>
    Object.fromEntries(
      cells
        .filter((cell) => cell.size === size)
        .map(({ way, replies }) => [way, median(replies.map(figure))]),
    );
  return [
    ...ratios(
      what,
      "per second",
      peer,
      each((reply) => (reply.emails / of(reply).ms) * 1_000),
    ),
    ...ratios(
      `${what}: D1`,
      "round trips per email",
      peer,
      each((reply) => of(reply).trips / reply.emails),
    ),
  ];
}
