/**
 * What the prices of docs/operate/cost.md rest on besides the counts. Nothing here was measured in
 * production.
 */
export const assumptions = {
  /** Of all requests; the rest are writes and emails. */
  reads: 0.97,
  writes: 0.025,
  emails: 0.005,
  /** Of all reads. */
  fromMemory: 0.9,
  fromKv: 0.09,
  fromD1: 0.01,
  /** Of all requests: the first of their user in an hour, in an isolate. */
  usersSeen: 0.02,
  requestsPerIsolateSecond: 8,
  cpuMsPerInvocation: 2,
  /** For as long as an object is awake for a request. */
  objectMsPerRequest: 10,
  bytesPerLogEvent: 2_000,
  /** Compared with D1 by a test: at most this, and more than half. */
  emailBytesBesidesBody: 1_700,
  emailBodyBytes: 4_000,
  /** EMAIL_CONTENT_RETENTION_DAYS and EMAIL_RETENTION_DAYS. */
  contentDays: 14,
  emailDays: 90,
  d1MsPerRead: 1,
  d1MsPerWrite: 5,
  /** The busiest second of a month, in mean ones. */
  peak: 3,
};
export type Assumptions = typeof assumptions;

/** As the page words them. */
export function explained(given: Assumptions): [string, string][] {
  return [
    [
      "of all requests",
      `${percent(given.reads)} are reads of a user with their own key, ` +
        `${percent(given.writes)} writes, ${percent(given.emails)} emails`,
    ],
    [
      "of all reads",
      `${percent(given.fromMemory)} are answered from memory, ` +
        `${percent(given.fromKv)} from KV, ${percent(given.fromD1)} from D1`,
    ],
    ["first request of a user in an hour, in an isolate", percent(given.usersSeen)],
    ["requests per second of a busy isolate", String(given.requestsPerIsolateSecond)],
    ["CPU of an invocation", `${given.cpuMsPerInvocation} ms`],
    [
      "an object is awake for a request",
      `${given.objectMsPerRequest} ms, of 128 MB; never longer than the month`,
    ],
    [
      "a log event",
      `${given.bytesPerLogEvent} bytes: one for each invocation, also of an object, ` +
        `and one for each line; none is sampled away`,
    ],
    [
      "an email in D1",
      `${given.emailBodyBytes} bytes of body, kept for ${given.contentDays} days, and ` +
        `${given.emailBytesBesidesBody} of the rest, kept for ${given.emailDays}`,
    ],
    ["D1 is busy", `${given.d1MsPerRead} ms with a read and ${given.d1MsPerWrite} ms with a write`],
    ["the busiest second", `${given.peak} times the mean`],
  ];
}

const percent = (share: number): string => `${Number((share * 100).toFixed(1))} %`;
