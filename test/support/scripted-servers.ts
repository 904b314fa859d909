import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestProject } from "vitest/node";
import { httpServer } from "./http-server.ts";
import { ScriptedHttp, type HttpScript } from "./scripted-http.ts";
import { ScriptedSmtp, type SmtpScript } from "./scripted-smtp.ts";

export type NewServer = { kind: "smtp"; script: SmtpScript } | { kind: "http"; script: HttpScript };

/**
 * Scripted mail servers for tests inside workerd, where nothing can listen: they live here, in
 * Node, and the tests order them by HTTP.
 *
 *     POST /servers {kind, script} -> {id, port}
 *     GET /servers/:id -> what it saw
 *     POST /servers/:id/release
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const servers: (ScriptedSmtp | ScriptedHttp)[] = [];

  const order = async (request: IncomingMessage): Promise<object> => {
    const [, id, verb] = /^\/servers\/(\d+)(\/release)?$/.exec(request.url ?? "") ?? [];
    if (id === undefined) {
      const wanted = JSON.parse((await request.toArray()).join("")) as NewServer;
      const server =
        wanted.kind === "smtp" ? new ScriptedSmtp(wanted.script) : new ScriptedHttp(wanted.script);
      return { id: servers.push(server) - 1, port: await server.listen() };
    }
    const server = servers[Number(id)];
    if (server === undefined) throw new Error(`no server ${id}`);
    if (verb !== undefined) server.release();
    return server.report();
  };

  const control = httpServer((request, response) => {
    order(request).then(
      (answer) => response.end(JSON.stringify(answer)),
      (error: unknown) => response.writeHead(400).end(String(error)),
    );
  }).listen(0, "127.0.0.1");
  await once(control, "listening");
  project.provide(
    "scriptedServers",
    `http://127.0.0.1:${(control.address() as AddressInfo).port}/servers`,
  );

  return async () => {
    await Promise.all(servers.map((server) => server.close()));
    const closed = new Promise<void>((resolve) => control.close(() => resolve()));
    control.closeAllConnections();
    await closed;
  };
}
