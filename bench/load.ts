import { Agent, get } from "node:http";

const CONNECTIONS = 16;

/**
 * Sends one request again and again over several connections, each waiting for its answer, for a
 * while.
 *
 * @param path of the request, or of each next one
 * @returns answers per second
 */
export async function throughput(
  url: URL,
  path: string | (() => string),
  headers: Record<string, string>,
  forMs: number,
): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const once = async (): Promise<void> => {
    await new Promise<void>((resolve, reject) => {
      get(
        new URL(typeof path === "string" ? path : path(), url).href,
        { agent, headers },
        (answer) => {
          if (answer.statusCode !== 200) reject(new Error(`answered ${answer.statusCode}`));
          answer.resume().once("end", resolve);
        },
      ).once("error", reject);
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
