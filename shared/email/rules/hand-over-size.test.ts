import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runs } from "../../../test/support/seed.ts";
import type { Candidate } from "./choice.ts";
import { handOverMs, leaseMs, MAX_HELD_BYTES } from "./hand-over-size.ts";
import { planGroup, type Waiting } from "./plan.ts";
import { transports, type TransportName } from "./transports.ts";

const MIB = 1_048_576;
const candidate = (name: TransportName): Candidate => ({
  name,
  admission: { do: "allow" },
  pacedUntil: 0,
  everyMs: null,
});
const waiting = (id: string, ...sizes: number[]): Waiting => ({
  id,
  generation: 1,
  attempts: 0,
  onUnknown: "hold",
  category: "transactional",
  dueAt: 0,
  traceId: null,
  pinned: null,
  failover: null,
  tenant: "admin",
  hasBacklog: false,
  transportOrder: [],
  reservesAheadMs: 5_000,
  ...(sizes.length > 0 && {
    files: sizes.map((sizeBytes, n) => ({
      id: `${id}-${n}`,
      createdAt: 0,
      sizeBytes,
      filename: "a",
      contentType: "text/plain",
    })),
  }),
});
const plan = (emails: Waiting[], names: TransportName[] = ["smtp"]) =>
  planGroup({ waiting: emails, candidates: names.map(candidate), size: 5, hasLinks: true, now: 0 });
const ids = (emails: readonly { id: string }[]): string[] => emails.map(({ id }) => id);

describe("a group of hand-overs", () => {
  it("holds at most 16 MiB of uploaded files, except for those of one larger email", () => {
    const size = fc.oneof(fc.constant([]), fc.array(fc.integer({ min: 1, max: 14 * MIB })));
    fc.assert(
      fc.property(fc.array(size, { maxLength: 12 }), (sizes) => {
        const emails = sizes.map((own, n) => waiting(`e${n}`, ...own.slice(0, 2)));
        const bytesOf = (email: Waiting): number =>
          (email.files ?? []).reduce((sum, file) => sum + file.sizeBytes, 0);
        const tooLarge = (email: Waiting) => bytesOf(email) > 25 * MIB;
        const { marks, rest, putBack } = plan(emails);
        const held = marks.reduce((sum, { email }) => sum + bytesOf(email), 0);
        const withFiles = marks.filter(({ email }) => bytesOf(email) > 0);
        expect(held <= MAX_HELD_BYTES || withFiles.length === 1).toBe(true);
        // None is lost, what waits keeps its order, and there is progress.
        expect([...ids(marks.map(({ email }) => email)), ...ids(rest)].toSorted()).toEqual(
          ids(emails.filter((email) => !tooLarge(email) || rest.includes(email))).toSorted(),
        );
        expect(rest).toEqual(emails.filter((email) => rest.includes(email)));
        expect(putBack.every(({ email }) => tooLarge(email))).toBe(true);
        expect(emails.length === 0 || rest.length < emails.length).toBe(true);
      }),
      { numRuns: runs },
    );
  });

  it("has a large email with none that has files: what waits behind it is not held up", () => {
    const emails = [waiting("a", 1), waiting("b", 20 * MIB), waiting("c"), waiting("d", 1)];
    const first = plan(emails);
    expect(ids(first.marks.map(({ email }) => email))).toEqual(["a", "c", "d"]);
    expect(ids(plan(first.rest).marks.map(({ email }) => email))).toEqual(["b"]);
  });
});

describe("an email goes", () => {
  it("past a transport that does not take its size, to one that does", () => {
    const order: TransportName[] = ["cloudflare", "smtp"];
    expect(plan([waiting("a", MIB)], order).marks).toMatchObject([{ transport: "cloudflare" }]);
    expect(plan([waiting("a", 6 * MIB)], order).marks).toMatchObject([{ transport: "smtp" }]);
  });

  it("nowhere while no configured transport takes its size, with that as the reason", () => {
    expect(plan([waiting("a", 6 * MIB)], ["cloudflare"])).toMatchObject({
      marks: [],
      putBack: [
        {
          settlement: { status: "queued", attempts: 0, dueAt: 3_600_000 },
          detail: { phase: "configuration", text: expect.stringContaining("size") },
        },
      ],
    });
  });
});

it("a hand-over has 30 s and a second for each 250 kB, and its lease is twice that", () => {
  expect(handOverMs(0)).toBe(30_000);
  expect(handOverMs(25_000_000)).toBe(130_000);
  for (const bytes of [0, 1, 25 * MIB]) expect(leaseMs(bytes)).toBe(2 * handOverMs(bytes));
});

it("the limit of each transport leaves room for base64 and headers", () => {
  expect(transports.cloudflare.maxContentBytes).toBe(3_783_432);
  expect(transports.resend.maxContentBytes).toBe(25 * MIB);
  expect(transports.smtp.maxContentBytes).toBe(25 * MIB);
});
