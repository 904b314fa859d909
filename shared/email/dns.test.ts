import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { httpServer } from "../../test/support/http-server.ts";
import { lookUpTxt } from "./dns.ts";

let answer: (request: IncomingMessage, response: ServerResponse) => void;
const server = () => httpServer((request, response) => answer(request, response));
let resolver = server();
let url = "";

beforeEach(async () => {
  vi.spyOn(console, "warn").mockReturnValue();
  resolver = server();
  resolver.listen(0, "127.0.0.1");
  await once(resolver, "listening");
  url = `http://127.0.0.1:${(resolver.address() as AddressInfo).port}/dns-query?ct=1`;
});
afterEach(async () => {
  vi.restoreAllMocks();
  resolver.closeAllConnections();
  resolver.close();
  await once(resolver, "close");
});

describe("a look-up by DNS over HTTPS", () => {
  it("asks the resolver for TXT records of the name, as JSON", async () => {
    const asked: unknown[] = [];
    answer = ({ url: at, headers }, response) => {
      asked.push(at, headers.accept);
      response.end(JSON.stringify({ Status: 0, Answer: [{ type: 16, data: '"a" "b"' }] }));
    };
    expect(await lookUpTxt(url, "_x.example.com")).toEqual(["ab"]);
    expect(asked).toEqual(["/dns-query?ct=1&name=_x.example.com&type=TXT", "application/dns-json"]);
  });

  it.each([
    ["answers with an error", (_: unknown, to: ServerResponse) => to.writeHead(500).end("{}")],
    [
      "redirects",
      (_: unknown, to: ServerResponse) => to.writeHead(302, { Location: "/other" }).end(),
    ],
    ["answers no JSON", (_: unknown, to: ServerResponse) => to.end("<html>")],
    ["drops the connection", ({ socket }: IncomingMessage) => socket.destroy()],
  ] as const)("has observed nothing if the resolver %s", async (_, does) => {
    answer = does;
    expect(await lookUpTxt(url, "_x.example.com")).toBeNull();
  });
});
