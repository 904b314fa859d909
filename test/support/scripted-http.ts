import { once } from "node:events";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { httpServer } from "./http-server.ts";
import type { ServerReport } from "./server-report.ts";

export type HttpFault = {
  /** Only the first so many requests; then the server is well. */
  times?: number;
  /** A copy is kept and the key is recorded, with any answer to the client. */
  keeps?: boolean;
} &
  /** `name`: the provider's name of the error. */
  /** The header `<a date in 120 s>` is one counted from the answer, however late that is. */
  (
    | { do: "answer"; status: number; name?: string; headers?: Record<string, string> }
    /** Without reading the request, or after having read it. */
    | { do: "drop"; unread?: boolean }
    | { do: "hang" }
    /**
     * The answer of a healthy server, after `ms` or when the test releases it. Until then the
     * request is in progress.
     */
    | { do: "late"; ms: number }
    | { do: "wait" }
    /** 200 with another body: no JSON, JSON without an id, or one that breaks off. */
    | { do: "garble"; body: "not JSON" | "no id" | "cut short" }
  );

export type HttpScript = { faults?: HttpFault[] };

type Known = { body: string; id: string };

/**
 * The provider's sending endpoint as its documentation has it, which misbehaves by its script and
 * keeps what it accepts.
 */
export class ScriptedHttp {
  readonly #faults: HttpFault[];
  readonly #played = new Map<HttpFault, number>();
  /** By Idempotency-Key. The real one forgets after 24 h, which no test lasts. */
  readonly #known = new Map<string, Known>();
  readonly #inProgress = new Set<string>();
  readonly #released = Promise.withResolvers<void>();
  readonly #report: ServerReport = { attempts: 0, requests: 0, handOvers: 0, copies: [] };
  readonly #server: Server = httpServer((request, response) => {
    void this.#serve(request, response).catch(() => response.destroy());
  });

  constructor(script: HttpScript) {
    this.#faults = script.faults ?? [];
  }

  /** @returns the port on 127.0.0.1 */
  async listen(): Promise<number> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return (this.#server.address() as AddressInfo).port;
  }

  report(): ServerReport {
    return this.#report;
  }

  release(): void {
    this.#released.resolve();
  }

  async close(): Promise<void> {
    this.release();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#report.attempts += 1;
    this.#report.requests += 1;
    const fault = this.#next();
    if (fault?.do === "drop" && fault.unread === true) return void request.destroy();
    const body = await textOf(request);
    this.#report.handOvers += 1;
    const refusal = refusalOf(request, body);
    if (refusal !== null) return refuse(response, ...refusal);
    const key = String(request.headers["idempotency-key"] ?? "");
    const before = this.#known.get(key);
    if (this.#inProgress.has(key)) return refuse(response, 409, "concurrent_idempotent_requests");
    if (before !== undefined && before.body !== body)
      return refuse(response, 409, "invalid_idempotent_request");
    if (fault === null) return json(response, 200, { id: this.#keep(key, body) });
    await this.#misbehave(fault, key, body, response);
  }

  async #misbehave(
    fault: HttpFault,
    key: string,
    body: string,
    response: ServerResponse,
  ): Promise<void> {
    const id = fault.keeps === true ? this.#keep(key, body) : "";
    switch (fault.do) {
      case "answer":
        return refuse(
          response,
          fault.status,
          fault.name ?? "application_error",
          datedNow(fault.headers),
        );
      case "drop":
        return void response.destroy();
      case "hang":
        return;
      case "late":
      case "wait":
        this.#inProgress.add(key);
        await (fault.do === "wait"
          ? this.#released.promise
          : new Promise((resolve) => setTimeout(resolve, fault.ms).unref()));
        this.#inProgress.delete(key);
        return json(response, 200, { id: this.#keep(key, body) });
      case "garble": {
        if (fault.body === "no id") return json(response, 200, { object: "email" });
        const whole = fault.body === "not JSON" ? "<html>ok</html>" : JSON.stringify({ id });
        response.writeHead(200, {
          "Content-Type": "application/json",
          "Content-Length": whole.length,
        });
        if (fault.body === "not JSON") return void response.end(whole);
        return void response.write(whole.slice(0, 8), () => response.destroy());
      }
    }
  }

  /**
   * @returns the id of the email: under a known key that of the first, and then there is no second
   * copy
   */
  #keep(key: string, body: string): string {
    const known = this.#known.get(key) ?? { body, id: crypto.randomUUID() };
    if (key === "" || !this.#known.has(key)) this.#report.copies.push(key);
    if (key !== "") this.#known.set(key, known);
    return known.id;
  }

  #next(): HttpFault | null {
    const fault = this.#faults.find(
      (one) => (this.#played.get(one) ?? 0) < (one.times ?? Number.POSITIVE_INFINITY),
    );
    if (fault !== undefined) this.#played.set(fault, (this.#played.get(fault) ?? 0) + 1);
    return fault ?? null;
  }
}

/** What the provider answers to a wrong request. */
function refusalOf(
  { method, url, headers }: IncomingMessage,
  body: string,
): [status: number, name: string] | null {
  if (url !== "/emails") return [404, "not_found"];
  if (method !== "POST") return [405, "method_not_allowed"];
  if (!/^Bearer \S+$/.test(headers.authorization ?? "")) return [401, "missing_api_key"];
  const fields = fieldsOf(body);
  if (fields === null) return [400, "validation_error"];
  if (["from", "to", "subject"].some((name) => fields[name] === undefined))
    return [422, "missing_required_field"];
  return Object.keys(fields).some((name) => !known.has(name)) ? [422, "validation_error"] : null;
}

const known = new Set([
  "from",
  "to",
  "subject",
  "html",
  "text",
  "headers",
  "tags",
  "attachments",
  "reply_to",
]);

function fieldsOf(body: string): Record<string, unknown> | null {
  try {
    return JSON.parse(body) as Record<string, unknown> | null;
  } catch {
    return null;
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

function refuse(
  response: ServerResponse,
  statusCode: number,
  name: string,
  headers: Record<string, string> = {},
): void {
  json(response, statusCode, { statusCode, name, message: `the test answers ${name}` }, headers);
}

function json(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Record<string, string> = {},
): void {
  response
    .writeHead(status, { "Content-Type": "application/json", ...headers })
    .end(JSON.stringify(body));
}

function datedNow(headers: Record<string, string> = {}): Record<string, string> {
  const date = new Date(Date.now() + 120_000).toUTCString();
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      value.replace("<a date in 120 s>", date),
    ]),
  );
}
