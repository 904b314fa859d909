import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/**
 * A price service on loopback. `POST /down` makes it answer 503, `POST /up` ends that.
 *
 * @returns its URL; `GET <url>/<sku>` is a price
 */
export async function servePrices(): Promise<string> {
  let isDown = false;
  const server = createServer(({ method, url = "/" }, response) => {
    const name = decodeURIComponent(url.slice(1));
    if (method === "POST") isDown = name === "down";
    const answer = method === "POST" ? { isDown } : { sku: name, cents: 100 + name.length };
    response.writeHead(isDown && method !== "POST" ? 503 : 200, {
      "Content-Type": "application/json",
    });
    response.end(`${JSON.stringify(answer)}\n`);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
