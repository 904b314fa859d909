import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { listCircuitBreakers } from "../../shared/contract/circuit-breakers.ts";
import { createClient } from "../../shared/contract/client/client.ts";
import type { Narrator } from "../narrator.ts";
import { outageSocket } from "../outages.ts";
import { isListening } from "../ports.ts";
import { runningLuna } from "../running-luna.ts";
import type { StartSettings } from "../settings.ts";
import { Stage } from "./stage.ts";

const CALL_TIMEOUT_MS = 20_000;

/** @throws Error with what to do, if the local run is not ready for the tour */
export async function prepare(
  settings: StartSettings,
  narrator: Narrator,
  signal: AbortSignal,
): Promise<Stage> {
  const { mailboxPort, stateDir } = settings;
  const { url, token } = await runningLuna(settings);
  if (!existsSync(outageSocket(stateDir))) {
    throw new Error(
      [
        `the npm start at ${url} does not use ${stateDir}, or has no mailbox of its own.`,
        "Set the same STATE_DIR for the tour, and no SMTP_HOST",
      ].join(" "),
    );
  }
  if (!(await isListening(mailboxPort))) {
    throw new Error(
      `no mailbox answers at http://localhost:${mailboxPort}. Set the MAILBOX_PORT of npm start`,
    );
  }
  const stage = new Stage({
    narrator,
    client: createClient({
      baseUrl: url,
      token,
      fetch: (to, init) => fetch(to, { ...init, signal: AbortSignal.timeout(CALL_TIMEOUT_MS) }),
    }),
    settings,
    tag: randomBytes(3).toString("hex"),
    signal,
  });
  const { body } = await stage.call(listCircuitBreakers);
  const notClosed = body.items.find((item) => item.state !== "CLOSED" || item.override !== "none");
  if (notClosed !== undefined) {
    const { name, state } = notClosed;
    throw new Error(
      [
        `the tour needs closed breakers, but ${name} is ${state}. Wait for its next probe, or:`,
        `POST /api/admin/circuit-breakers/${name}/reset`,
      ].join(" "),
    );
  }
  narrator.line(
    `Luna at ${url}, its mailbox at http://localhost:${mailboxPort}. This takes about a minute.`,
  );
  return stage;
}
