import { lockStore } from "../../scripts/demo/break.ts";
import { SmtpSink } from "../../test/support/sink.ts";

/** What fails, one after the other, each for a while, spread over the run. */

export const faults = [
  { name: "KV", what: "its files are locked: no write to it succeeds" },
  { name: "the tag index", what: "its object's file is locked" },
  { name: "the circuit breakers", what: "their objects' files are locked" },
  { name: "telemetry", what: "its object's file is locked" },
  { name: "the watchdog", what: "its object's file is locked" },
  { name: "the mail server", what: "nothing listens on its port" },
  { name: "D1", what: "its file is locked: no write to it succeeds" },
] as const;
export type FaultName = (typeof faults)[number]["name"];

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
export async function begin(name: FaultName, stateDir: string, mail: MailServer): Promise<() => Promise<void>> {
  if (name === "the mail server") {
    await mail.sink.close();
    return () => mail.comeBack();
  }
  const broken = lockStore(stateDir, stores[name]);
  return () => broken.mend();
}
