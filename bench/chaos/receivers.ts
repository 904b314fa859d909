import { once } from "node:events";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Webhook } from "standardwebhooks";
import { httpServer } from "../../test/support/http-server.ts";

/** Receivers of webhooks, some of which misbehave on command. */

/** What each endpoint does while it misbehaves; the others are well. */
export const misbehaviours = ["hangs", "refuses", "is slow", "redirects", "resets"] as const;
type Misbehaviour = (typeof misbehaviours)[number];

const SLOW_MS = 3_000;

type Arrival = { eventId: string; at: number; eventAt: number };

export class Receiver {
  secret = "";
  /** Null: it is well. */
  misbehaves: Misbehaviour | null = null;
  requests = 0;
  /** The first arrival of each event. */
  readonly taken = new Map<string, Arrival>();
  #server: Server | null = null;
  #port = 0;

  /** Also of one that refused connections. */
  async listen(): Promise<void> {
    const server = httpServer((request, response) => void this.#take(request, response));
    server.listen(this.#port, "127.0.0.1");
    await once(server, "listening");
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/`;
  }

  async misbehave(how: Misbehaviour): Promise<void> {
    this.misbehaves = how;
    if (how === "refuses") await this.close();
  }

  async repair(): Promise<void> {
    const { misbehaves } = this;
    this.misbehaves = null;
    if (misbehaves === "refuses") await this.listen();
    // What hangs is given up.
    if (misbehaves === "hangs") this.#server?.closeAllConnections();
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server?.close(resolve));
    this.#server?.closeAllConnections();
    await closed;
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests += 1;
    const at = Date.now();
    const { misbehaves } = this;
    // A SIGKILL cuts off requests.
    const chunks = await request.toArray().catch(() => null);
    if (chunks === null || misbehaves === "hangs") return;
    if (misbehaves === "resets") return void request.socket.resetAndDestroy();
    if (misbehaves === "redirects")
      return void response.writeHead(307, { Location: this.url }).end();
    this.#keep(request.headers as Record<string, string>, Buffer.concat(chunks).toString(), at);
    const answer = (): void => void response.writeHead(204).end();
    if (misbehaves === "is slow") setTimeout(answer, SLOW_MS);
    else answer();
  }

  /** @throws Error if Luna has not signed it */
  #keep(headers: Record<string, string>, body: string, at: number): void {
    const { timestamp } = new Webhook(this.secret).verify(body, headers) as { timestamp: string };
    const eventId = headers["webhook-id"] ?? "";
    if (!this.taken.has(eventId))
      this.taken.set(eventId, { eventId, at, eventAt: Date.parse(timestamp) });
  }
}
