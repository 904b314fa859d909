import { within } from "../../lib/base/deadline.ts";
import { HeldBytes, type Hold } from "../../lib/base/held-bytes.ts";
import { describeError, log } from "../../lib/worker/log.ts";
import { objectKey, type FileOfEmail } from "../rules/file.ts";
import { filesBytes, joins } from "../rules/hand-over-size.ts";
import { notRead, putBack } from "../rules/lifecycle.ts";
import type { AttemptDetail } from "../rules/outcome.ts";
import type { Plan, Waiting } from "../rules/plan.ts";
import type { Waited } from "../rules/waits.ts";
import type { Settled } from "../sql/settle.ts";
import type { Delivery } from "./ports.ts";

/** The bytes of an email's uploaded files, by their ids. */
export type FilesRead = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

/** The longest that R2 may take for a group of emails. Their claims outlive that. */
const READ_MS = 20_000;
/** When an email comes back that other batches of this isolate leave no room for. */
const NO_ROOM_MS = 2_000;

/** A batch that runs for longer was cancelled: developers.cloudflare.com/queues/platform/limits. */
const INVOCATION_MS = 15 * 60_000;

/** What all batches of this isolate hold. */
const held = new HeldBytes();

type Ports = Pick<Delivery, "bucket" | "clock" | "random" | "policy" | "waitLimits">;

/**
 * The uploaded files of the emails that a batch hands over. They are read before the emails are
 * marked: R2 that fails then leaves no outcome open.
 */
export class FilesInHand {
  readonly #delivery: Ports;
  readonly #read = new Map<string, FilesRead>();
  readonly #holds = new Map<string, Hold>();

  constructor(delivery: Ports) {
    this.#delivery = delivery;
  }

  of(emailId: string): FilesRead {
    return this.#read.get(emailId) ?? new Map();
  }

  /** Whether one of the emails has files that are not there yet. */
  needsReading(marks: Plan["marks"]): boolean {
    return marks.some(({ email: { id, files = [] } }) => files.length > 0 && !this.#read.has(id));
  }

  /** @returns the marks of emails that have their files, and what becomes of the others */
  async read(marks: Plan["marks"]): Promise<{ marks: Plan["marks"]; settled: Settled[] }> {
    const ready: Plan["marks"] = [];
    const settled: Settled[] = [];
    const until = this.#delivery.clock() + READ_MS;
    for (const mark of marks) {
      const end = await this.#readFor(mark.email, until);
      if (end === null) ready.push(mark);
      else settled.push(end);
    }
    return { marks: ready, settled };
  }

  /** Lets the files go of all emails except these. */
  keep(emails: readonly Waiting[]): void {
    const ids = new Set(emails.map(({ id }) => id));
    for (const [id, hold] of this.#holds) {
      if (ids.has(id)) continue;
      held.release(hold);
      this.#holds.delete(id);
      this.#read.delete(id);
    }
  }

  async #readFor(email: Waiting, until: number): Promise<Settled | null> {
    const { id, files = [] } = email;
    // One on its way to another transport has its files.
    if (files.length === 0 || this.#read.has(id)) return null;
    const bytes = filesBytes(files);
    const now = this.#delivery.clock();
    const heldBytes = held.total(now);
    if (heldBytes > 0 && !joins(heldBytes, bytes)) return this.#later(email);
    const hold = held.take(bytes, now + INVOCATION_MS);
    this.#holds.set(id, hold);
    try {
      const read = new Map<string, Uint8Array<ArrayBuffer>>();
      for (const file of files) {
        const leftMs = until - this.#delivery.clock();
        if (leftMs <= 0) throw new Error("R2 takes too long for the files of a group");
        read.set(file.id, await readFile(this.#delivery.bucket, file, leftMs));
      }
      this.#read.set(id, read);
      return null;
    } catch (error) {
      held.release(hold);
      this.#holds.delete(id);
      log("warn", "email.files_not_read", { emailId: id, ...describeError(error) });
      return this.#unread(email);
    }
  }

  #later(email: Waiting): Settled {
    const dueAt = this.#delivery.clock() + NO_ROOM_MS;
    const put = putBack(endOf(email), dueAt);
    const waits = put.status === "queued" ? { ...put, waited: forRoom } : put;
    return settledAs(email, waits, noRoom);
  }

  #unread(email: Waiting): Settled {
    const { policy, waitLimits: limits, clock, random } = this.#delivery;
    const { since, last } = email.waiting ?? { since: email.dueAt, last: null };
    const timing = { policy, now: clock(), random: random(), clock: { limits, since, last } };
    return settledAs(email, notRead(endOf(email), timing), notReadDetail);
  }
}

const endOf = ({ attempts, onUnknown, pinned }: Waiting) => ({
  attempts,
  onUnknown,
  pinnedUntil: pinned?.until ?? null,
});

function settledAs(
  { id, generation }: Waiting,
  settlement: Settled["settlement"],
  detail: AttemptDetail,
): Settled {
  return { id, generation, settlement, detail, putBack: true };
}

/** It is visible, and has an end. */
const forRoom: Waited = { class: "server", count: 0 };
const noRoom: AttemptDetail = {
  transport: "none",
  phase: "attachments",
  text: "other large emails are handed over first",
};
const notReadDetail: AttemptDetail = {
  transport: "none",
  phase: "attachments",
  text: "the email's uploaded attachments cannot be read now",
};

/** @throws Error if R2 does not have it, or does not answer in time */
async function readFile(
  bucket: R2Bucket | undefined,
  file: FileOfEmail,
  timeoutMs: number,
): Promise<Uint8Array<ArrayBuffer>> {
  if (bucket === undefined) throw new Error("no R2 bucket is bound as ATTACHMENTS");
  const read = async (): Promise<ArrayBuffer> => {
    const object = await bucket.get(objectKey(file));
    if (object === null) throw new Error(`R2 does not have the attachment ${file.id}`);
    return await object.arrayBuffer();
  };
  const bytes = await within(timeoutMs, read());
  if (bytes.byteLength !== file.sizeBytes)
    throw new Error(`R2 has another size of the attachment ${file.id}`);
  return new Uint8Array(bytes);
}
