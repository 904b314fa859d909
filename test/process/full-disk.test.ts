import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it } from "vitest";
import { eventually } from "../support/eventually.ts";
import { SmtpSink } from "../support/sink.ts";
import { freePort, Luna, mailServerAt } from "./luna.ts";

/**
 * A full disk under the local D1: a small file system in memory, which only root mounts. Part of
 * `npm run test:deep`, since it changes the machine.
 */

const stateDir = mkdtempSync(join(tmpdir(), "luna-full-disk-"));
const disk = join(stateDir, "v3/d1");
const EMAILS = 200;

const cleanUps: (() => Promise<void> | void)[] = [
  () => rmSync(stateDir, { recursive: true, force: true }),
];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

function mount(size: string, ...more: string[]): boolean {
  try {
    const options = [`size=${size}`, ...more].join(",");
    execFileSync("mount", ["-t", "tmpfs", "-o", options, "none", disk], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

it("a full disk under D1 loses no accepted email, and Luna recovers without a person", async ({
  skip,
}) => {
  mkdirSync(disk, { recursive: true });
  skip(process.env["DEEP"] !== "1" || !mount("8m"), "only root mounts one, in test:deep");
  cleanUps.push(() => void execFileSync("umount", ["--lazy", disk]));
  const sink = new SmtpSink();
  cleanUps.push(() => sink.close());
  const port = String(await freePort());
  const luna = new Luna({
    PORT: port,
    STATE_DIR: stateDir,
    ...mailServerAt(await sink.listen()),
  });
  cleanUps.push(() => luna.destroy());
  await luna.ready();

  const sendAt = new Date(Date.now() + 3_600_000).toISOString();
  const email = { to: "ada@example.com", subject: "Hi", text: "x".repeat(100_000), sendAt };
  const ids: string[] = [];
  const refused: number[] = [];
  for (let n = 0; n < EMAILS && refused.length < 3; n += 1) {
    const { status, body } = await luna.call("POST", "/api/emails", email);
    if (status === 202) ids.push(String(body.id));
    else refused.push(status);
  }
  expect(refused).toEqual([503, 503, 503]);
  const statusOf = async (id: string) => (await luna.call("GET", `/api/emails/${id}`)).body.status;

  expect(mount("64m", "remount")).toBe(true);
  await eventually(async () =>
    expect((await luna.call("POST", "/api/emails", email)).status).toBe(202),
  );
  await eventually(async () =>
    expect((await luna.call("GET", "/health")).body).toMatchObject({ status: "ok" }),
  );
  for (const id of ids) expect(await statusOf(id)).toBe("scheduled");
});
