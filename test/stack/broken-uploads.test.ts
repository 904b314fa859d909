import { connect } from "node:net";
import { expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { ADMIN_TOKEN } from "../support/http.ts";
import { useStack } from "./support.ts";

const stack = useStack();

/** Announces a body of 1,000 bytes, sends one of them and closes the connection. */
async function breakOff(url: URL, path: string): Promise<void> {
  const head = [
    `POST ${path} HTTP/1.1`,
    `Host: ${url.host}`,
    `Authorization: Bearer ${ADMIN_TOKEN}`,
    "Content-Type: application/json",
    "Content-Length: 1000",
  ];
  const socket = connect(Number(url.port), url.hostname);
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.write(`${head.join("\r\n")}\r\n\r\n{`, () => resolve());
  });
  // The Worker has to be reading when the connection ends.
  await eventually(async () => expect(await stack.server.fetch("/openapi.json")).toBeTruthy());
  socket.destroy();
}

it("a client that goes away during its upload is neither an error nor an uncaught exception", async () => {
  const { url } = await stack.server.listen();
  await breakOff(url, "/api/users");
  await eventually(() =>
    expect(stack.lines()).toContainEqual(
      expect.objectContaining({ level: "info", event: "request.aborted", operation: "createUser" }),
    ),
  );
  expect(stack.lines().filter(({ level }) => level === "error")).toEqual([]);
  const headers = { Authorization: `Bearer ${ADMIN_TOKEN}` };
  await eventually(async () => {
    const metrics = await (await stack.server.fetch("/metrics", { headers })).text();
    const count = /luna_http_requests_total\{([^}]*createUser[^}]*aborted[^}]*)\} 1/;
    expect(metrics).toMatch(count);
    expect(metrics).not.toMatch(/luna_uncaught_exceptions_total\{worker="api"\} [1-9]/);
  });
});
