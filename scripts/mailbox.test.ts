import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type AddressInfo, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { eventually } from "../test/support/eventually.ts";
import { MailboxProcess } from "./mailbox.ts";
import { isListening } from "./ports.ts";

let stateDir = "";
let ports: number[] = [];
let listening: Server[] = [];
/** The processes that have begun and not ended. */
let alive: ((code: number) => void)[] = [];
let begun = 0;

const closeAll = (): void => listening.splice(0).forEach((server) => server.close());

/**
 * In place of the real one: it closes its ports when it is asked to end, and ends when the test
 * allows it.
 */
const processes = {
  async run(
    _command: string,
    _args: string[],
    { signal }: { signal?: AbortSignal },
  ): Promise<number> {
    begun += 1;
    listening = ports.map((port) => createServer().listen(port, "127.0.0.1"));
    signal?.addEventListener("abort", closeAll);
    return await new Promise((resolve) => alive.push(resolve));
  },
};
const theProcessEnds = (): void => alive.splice(0).forEach((resolve) => resolve(0));

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

let failed: unknown = null;
async function start(): Promise<MailboxProcess> {
  const [smtpPort = 0, mailboxPort = 0] = ports;
  const settings = { port: 0, smtpPort, mailboxPort, stateDir, registry: null };
  const mailbox = new MailboxProcess(processes, settings, {});
  mailbox.run().catch((error: unknown) => (failed = error));
  await eventually(async () =>
    expect(await Promise.all(ports.map(isListening))).toEqual([true, true]),
  );
  return mailbox;
}

beforeEach(async () => {
  stateDir = mkdtempSync(join(tmpdir(), "luna-mailbox-"));
  ports = [await freePort(), await freePort()];
  alive = [];
  begun = 0;
  failed = null;
});
afterEach(() => {
  closeAll();
  rmSync(stateDir, { recursive: true });
});

it("is down once nothing listens any more, and back once both of its ports answer", async () => {
  const mailbox = await start();
  await mailbox.goDown();
  expect(await Promise.all(ports.map(isListening))).toEqual([false, false]);
  theProcessEnds();
  await mailbox.comeBack();
  expect(await Promise.all(ports.map(isListening))).toEqual([true, true]);
  expect([begun, failed]).toEqual([2, null]);
});

it("an outage that is over before the server's process has ended is still no failure", async () => {
  const mailbox = await start();
  await mailbox.goDown();
  const back = mailbox.comeBack();
  theProcessEnds();
  await back;
  expect([begun, failed]).toEqual([2, null]);
});

it("a server that ends by itself is a failure", async () => {
  await start();
  theProcessEnds();
  await eventually(() => expect(String(failed)).toContain("the mailbox ended (exit code 0)"));
});
