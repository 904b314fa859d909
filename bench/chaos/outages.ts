import { lockStore } from "../../scripts/demo/break.ts";
import { SmtpSink } from "../../test/support/sink.ts";

/** What fails, one after the other, each for a while, spread over the run. */

export const faults = [
  "KV",
  "the tag index",
  "the circuit breakers",
  "telemetry",
  "the watchdog",
  "the mail server",
  "D1",
] as const;
type FaultName = (typeof faults)[number];

/**
 * Whose files are locked: then no write to it succeeds. On the mail server's port nothing listens.
 */
const stores = {
  KV: "kv",
  "the tag index": "do/luna-api-CacheTagIndex",
  "the circuit breakers": "do/luna-api-CircuitBreaker",
  telemetry: "do/luna-api-Telemetry",
  "the watchdog": "do/luna-api-TaskWatchdog",
  D1: "d1",
} as const;

/** The mail server, which can die and come back on its port with what it had. */
export class MailServer {
  sink = new SmtpSink({ greetsAtOnce: true });
  #port = 0;

  async listen(fault: SmtpSink["fault"]): Promise<number> {
    this.sink.fault = fault;
    this.#port = await this.sink.listen();
    return this.#port;
  }

  async comeBack(): Promise<void> {
    const { delivered, fault } = this.sink;
    this.sink = new SmtpSink({ greetsAtOnce: true });
    this.sink.fault = fault;
    this.sink.delivered.push(...delivered);
    await this.sink.listen(this.#port);
  }
}

/** @returns what ends it */
export async function begin(
  name: FaultName,
  stateDir: string,
  mail: MailServer,
): Promise<() => Promise<void>> {
  if (name === "the mail server") {
    await mail.sink.close();
    return () => mail.comeBack();
  }
  const broken = lockStore(stateDir, stores[name]);
  return () => broken.restore();
}
