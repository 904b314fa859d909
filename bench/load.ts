import { Agent, request } from "node:http";

const CONNECTIONS = 16;

/** A request that is sent again and again. `path` and `body`: of each, or of each next one. */
export type Load = {
  path: string | (() => string);
  headers: Record<string, string>;
  /** Makes it a POST. */
  body?: () => string;
};

/**
 * Sends requests over several connections, each waiting for its answer, for a while.
 *
 * @returns answers per second
 * @throws Error of the first answer that is no success
 */
export async function throughput(
  url: URL,
  { path, headers, body }: Load,
  forMs: number,
): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const once = async (): Promise<void> => {
    await new Promise<void>((resolve, reject) => {
      const to = new URL(typeof path === "string" ? path : path(), url).href;
      const method = body === undefined ? "GET" : "POST";
      request(to, { agent, method, headers }, (answer) => {
        const { statusCode = 0 } = answer;
        if (statusCode >= 300) reject(new Error(`answered ${statusCode}`));
        answer.resume().once("end", resolve);
      })
        .once("error", reject)
        .end(body?.());
    });
  };
  const started = performance.now();
  let answers = 0;
  const client = async (): Promise<void> => {
    while (performance.now() - started < forMs) {
      await once();
      answers += 1;
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, client));
  const elapsedMs = performance.now() - started;
  agent.destroy();
  return (answers / elapsedMs) * 1_000;
}
