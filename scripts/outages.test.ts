import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { eventually } from "../test/support/eventually.ts";
import { outageSocket, serveOutages } from "./outages.ts";

let directory = "";
let path = "";
let server: Server;
let happened: string[] = [];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "luna-outages-"));
  path = outageSocket(directory);
  happened = [];
  // As a run that was killed leaves it.
  writeFileSync(path, "");
  server = serveOutages(path, {
    goDown: async () => void happened.push("down"),
    comeBack: async () => void happened.push("up"),
  });
  await once(server, "listening");
});
afterEach(async () => {
  await new Promise((resolve) => server.close(resolve));
  rmSync(directory, { recursive: true });
});

const breakIt = async (): Promise<Socket> => {
  const socket = connect({ path, allowHalfOpen: true }).setEncoding("utf8");
  expect(await once(socket, "data")).toEqual(["down\n"]);
  return socket;
};

it("the mailbox is down while a client is connected, which learns when it is back", async () => {
  const socket = await breakIt();
  expect(happened).toEqual(["down"]);
  socket.end();
  expect(await once(socket, "data")).toEqual(["up\n"]);
  expect(happened).toEqual(["down", "up"]);
});

it("a mailbox comes back when the client that stopped it dies", async () => {
  const socket = await breakIt();
  socket.destroy();
  await eventually(() => expect(happened).toEqual(["down", "up"]));
});

it("the mailbox comes back only after the last of several outages has ended", async () => {
  const [one, other] = [await breakIt(), await breakIt()];
  one.end();
  await once(one, "data");
  expect(happened).not.toContain("up");
  other.end();
  await once(other, "data");
  expect(happened.at(-1)).toBe("up");
});
