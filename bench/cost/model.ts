import type { Assumptions } from "./assumptions.ts";
import { nothing, sum, times, type PricedOperation, type Operations } from "./operations.ts";
import type { Usage } from "./prices.ts";

/** From what was counted and assumed to what a month uses. Pure. */

export type Counts = Record<PricedOperation, Operations>;
export type Design = "luna" | "naive";

/** What is done, and how often. */
export type Load = {
  requests: number;
  reads: number;
  writes: number;
  emails: number;
  batches: number;
  seen: number;
  isolates: number;
};

export const MONTH_SECONDS = 30 * 86_400;
const MONTH_MINUTES = MONTH_SECONDS / 60;

/**
 * Objects that a fleet has one of: the tag index, the counters, the watchdog, breakers of D1, KV
 * and a transport.
 */
const OBJECTS = 6;
/** By Cloudflare: https://developers.cloudflare.com/durable-objects/platform/limits/ */
export const OBJECT_REQUESTS_PER_SECOND = 1_000;
const OBJECT_GB = 0.128;
const LOG_DAYS_KEPT = 7;
const GB = 1e9;

/** How many emails come together: the queue gathers a batch for up to a second. */
export function batchSize(emailsPerSecond: number): 1 | 10 | 100 {
  if (emailsPerSecond >= 100) return 100;
  return emailsPerSecond >= 10 ? 10 : 1;
}

export function loadOf(requests: number, design: Design, given: Assumptions): Load {
  const emails = requests * given.emails;
  return {
    requests,
    reads: requests * given.reads,
    writes: requests * given.writes,
    emails,
    batches: emails / (design === "luna" ? batchSize(emails / MONTH_SECONDS) : 1),
    seen: requests * given.usersSeen,
    isolates: Math.max(requests / MONTH_SECONDS / given.requestsPerIsolateSecond, 1),
  };
}

/**
 * What requests and emails make the platform do, without what the design asks of objects besides.
 */
function workOf(
  { reads, writes, emails, batches, seen }: Load,
  counts: Counts,
  given: Assumptions,
): Operations {
  const delivered =
    counts[`queue batch of ${emails === 0 ? 1 : nearest(emails / batches)} delivered`];
  return sum(
    times(reads * given.fromMemory, counts["read from memory"]),
    times(reads * given.fromKv, counts["read from KV"]),
    times(reads * given.fromD1, counts["read from D1"]),
    times(writes, counts["write with its purge"]),
    times(emails, counts["email accepted"]),
    times(batches, delivered),
    times(emails / 100, counts["100 emails deleted"]),
    times(seen, counts["user seen"]),
  );
}

const nearest = (size: number): 1 | 10 | 100 => batchSize(Math.round(size));

/**
 * What is asked of each object, besides purges: `kvBreaker` is the one of KV, `breakers` are the
 * others.
 */
export type Asked = {
  index: Operations;
  telemetry: Operations;
  kvBreaker: Operations;
  breakers: Operations;
};

const asking = (objectRequests: number): Operations => ({ ...nothing, objectRequests });

/**
 * Luna: each isolate at its own pace, never more often than there are requests. Naive: the index
 * for each of the cached reads (key and user, or the key alone), a breaker for each call of KV,
 * each read of D1 and each hand-over, the counters for each request and email. Kindly, none of that
 * reads or writes a row, and a breaker is asked once where it would also need the outcome,
 * too.
 */
export function askedOf(design: Design, load: Load, counts: Counts, given: Assumptions): Asked {
  switch (design) {
    case "naive": {
      const { kvReads, kvWrites, d1Reads } = workOf(load, counts, given);
      return {
        index: asking(2 * load.reads + load.writes + load.emails),
        telemetry: asking(load.requests + load.emails),
        kvBreaker: asking(kvReads + kvWrites),
        breakers: asking(d1Reads + load.emails),
      };
    }
    case "luna": {
      const paced = (minute: Operations, isolates: number, most: number): Operations =>
        times(Math.min(isolates * MONTH_MINUTES, most / minute.objectRequests), minute);
      const { requests, isolates, batches } = load;
      const reports = counts["minute of reports"];
      // The page counts those of two breakers.
      const leases = times(1 / 2, counts["minute of leases"]);
      // One isolate of the consumer reports, and holds the lease of its transport.
      return {
        index: paced(counts["minute of syncs"], isolates, requests),
        telemetry: sum(paced(reports, isolates, requests), paced(reports, 1, batches)),
        kvBreaker: paced(leases, isolates, requests),
        breakers: sum(paced(leases, isolates, requests), paced(leases, 1, batches)),
      };
    }
  }
}

export function operationsOf(
  design: Design,
  load: Load,
  counts: Counts,
  given: Assumptions,
): Operations {
  return sum(workOf(load, counts, given), ...Object.values(askedOf(design, load, counts, given)));
}

/** What a month uses of all that is billed. */
export function usageOf(
  design: Design,
  requests: number,
  counts: Counts,
  given: Assumptions,
): Usage {
  const load = loadOf(requests, design, given);
  const cron = times(MONTH_MINUTES / 2, counts["two minutes of cron"]);
  const done = sum(operationsOf(design, load, counts, given), cron);
  return billedFor(done, load.emails, given);
}

/** What an email of each month occupies in D1 at any time: it is deleted after its retention. */
export function storedBytes(given: Assumptions): number {
  const { emailBodyBytes, contentDays, emailBytesBesidesBody, emailDays } = given;
  return (emailBodyBytes * contentDays + emailBytesBesidesBody * emailDays) / 30;
}

export function billedFor(done: Operations, emails: number, given: Assumptions): Usage {
  const { requests, objectRequests, logLines } = done;
  const objects = OBJECTS + Math.floor(objectRequests / MONTH_SECONDS / OBJECT_REQUESTS_PER_SECOND);
  const awakeSeconds = Math.min(
    (objectRequests * given.objectMsPerRequest) / 1_000,
    objects * MONTH_SECONDS,
  );
  const logGb = ((requests + objectRequests + logLines) * given.bytesPerLogEvent) / GB;
  return {
    requests,
    cpuMs: requests * given.cpuMsPerInvocation,
    d1RowsRead: done.d1RowsRead,
    d1RowsWritten: done.d1RowsWritten,
    d1Gb: (emails * storedBytes(given)) / GB,
    kvReads: done.kvReads,
    kvWrites: done.kvWrites,
    kvDeletes: done.kvDeletes,
    objectRequests,
    objectGbSeconds: awakeSeconds * OBJECT_GB,
    objectRowsRead: done.objectRowsRead,
    objectRowsWritten: done.objectRowsWritten,
    queueOperations: done.queueOperations,
    logGb,
    logGbMonths: (logGb * LOG_DAYS_KEPT) / 30,
  };
}
