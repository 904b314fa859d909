import { connect } from "node:net";

const END_OF_HEADERS = Buffer.from("\r\n\r\n");

/**
 * Sends one request again and again over several connections, each waiting for its answer, for a while. Plain sockets: a client that
 * costs more than the Worker would measure itself. Each answer must have a body of one packet with no empty line in it.
 *
 * @returns answers a second
 */
export async function throughput(
  url: URL,
  path: string,
  headers: Record<string, string>,
  forMs: number,
  connections = 16,
): Promise<number> {
  const lines = Object.entries({ Host: url.host, ...headers }).map(([name, value]) => `${name}: ${value}`);
  const request = `GET ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`;
  let answers = 0;
  let running = true;
  const started = performance.now();
  const clients = Array.from({ length: connections }, () => {
    const socket = connect(Number(url.port), url.hostname).setNoDelay(true);
    socket.on("data", (chunk: Buffer) => {
      if (!chunk.includes(END_OF_HEADERS)) return;
      answers += 1;
      if (running) socket.write(request);
      else socket.end();
    });
    socket.on("connect", () => socket.write(request));
    return new Promise<void>((resolve, reject) => {
      socket.on("close", () => resolve());
      socket.on("error", reject);
    });
  });
  await new Promise((resolve) => setTimeout(resolve, forMs));
  running = false;
  const elapsedMs = performance.now() - started;
  const counted = answers;
  await Promise.all(clients);
  return (counted / elapsedMs) * 1_000;
}
