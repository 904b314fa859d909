import { ADMIN_TOKEN, withApiWorker } from "./api-worker.ts";
import { throughput, type Load } from "./load.ts";
import { median, ratios, type Ratio } from "./measure.ts";
import { straightforwardTable, type PlainEmail } from "./straightforward-mailer.ts";

/**
 * A whole `POST /api/emails` and `POST /api/emails/batch` with the key of a user, beside a bare
 * Worker that parses the same body and inserts one row per request. Each in a runtime that has the
 * machine to itself.
 */

const WARM_UP_MS = 3_000;
const MEASURE_MS = 4_000;
const ROUNDS = 5;
const JSON_TYPE = { "Content-Type": "application/json" };

let count = 0;
const email = (): PlainEmail => {
  count += 1;
  return {
    to: `n${count}@example.com`,
    subject: "Your receipt",
    text: "Thank you for your order.",
  };
};
const one = (): string => JSON.stringify(email());
const many = (size: number) => (): string =>
  JSON.stringify({ emails: Array.from({ length: size }, email) });

/** @returns answers per second of a Worker, for each load */
const rates = (
  main: string,
  loads: (at: URL) => Promise<readonly Load[]>,
): Promise<readonly number[]> =>
  withApiWorker(main, async (url, db) => {
    await db.prepare(straightforwardTable).run();
    const measured: number[] = [];
    for (const load of await loads(url)) {
      await throughput(url, load, WARM_UP_MS);
      measured.push(await throughput(url, load, MEASURE_MS));
    }
    return measured;
  });

/** Of a user who may send emails. */
async function keyOfUser(at: URL): Promise<string> {
  const asked = async (method: string, path: string, body: object): Promise<Response> => {
    const headers = { ...JSON_TYPE, Authorization: `Bearer ${ADMIN_TOKEN}` };
    const answer = await fetch(new URL(path, at), { method, headers, body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${await answer.text()}`);
    return answer;
  };
  const made = await asked("POST", "/api/users", { userId: "ada", email: "ada@example.com" });
  await asked("PATCH", "/api/users/ada", { scopes: ["emails:send"] });
  const { apiKey } = await made.json<{ apiKey: string }>();
  return apiKey;
}

const SIZES = [1, 10, 100];

async function lunaLoads(at: URL): Promise<Load[]> {
  const headers = { ...JSON_TYPE, Authorization: `Bearer ${await keyOfUser(at)}` };
  return SIZES.map((size) =>
    size === 1
      ? { path: "/api/emails", headers, body: one }
      : { path: "/api/emails/batch", headers, body: many(size) },
  );
}

const BARE = "bare INSERT";
const SERVED = "rate limit, INSERT, queue";

export async function acceptRequestRows(): Promise<Ratio[]> {
  const [bare, served]: [number[], number[]] = [[], []];
  const luna = SIZES.map((): number[] => []);
  const path = "/api/emails";
  for (let round = 0; round < ROUNDS; round += 1) {
    const [bareRate = 0, servedRate = 0] = await rates("./bench/workers/bare.ts", async () => [
      { path, headers: JSON_TYPE, body: one },
      { path, headers: { ...JSON_TYPE, "X-Served": "1" }, body: one },
    ]);
    bare.push(bareRate);
    served.push(servedRate);
    for (const [n, each] of (await rates("./workers/api/index.ts", lunaLoads)).entries())
      luna[n]?.push(each * (SIZES[n] ?? 0));
  }
  return SIZES.flatMap((size, n) =>
    ratios(`emails accepted over HTTP, ${size} per request`, "per second", BARE, {
      [BARE]: median(bare),
      [SERVED]: median(served),
      luna: median(luna[n] ?? []),
    }),
  );
}
