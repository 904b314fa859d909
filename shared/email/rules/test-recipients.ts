import type { Outcome, OutcomeForAll } from "./outcome.ts";
import type { StoredRecipient } from "./recipients.ts";

/**
 * Recipients of tests: `delivered@luna.test`, `bounced+order-7@luna.test`, ... Emails to them end
 * as their name states, and no transport is asked. RFC 6761 keeps `.test` from any real domain. The
 * model is the addresses of resend.dev. Pure.
 */
const TEST_DOMAIN = "luna.test";
const testEnds = ["delivered", "bounced", "complained", "refused"] as const;
type TestEnd = (typeof testEnds)[number];

/** The name of the transport in the details of such emails. */
export const TEST_TRANSPORT = "test";
const TEST_TEXT = "a test: no transport was asked";

const isTest = (address: string): boolean => address.toLowerCase().endsWith(`@${TEST_DOMAIN}`);

/** How an email to a test recipient ends; null if there is none of that name. */
function testEndOf(address: string): TestEnd | null {
  const [name] = address.toLowerCase().split("@");
  return testEnds.find((end) => name === end || name?.startsWith(`${end}+`)) ?? null;
}

/**
 * What is wrong with recipients of which some are of tests: `mixed` beside others, or `unknown`
 * names.
 */
export function wrongTestRecipients(
  recipients: readonly { address: string }[],
): "mixed" | "unknown" | null {
  const tests = recipients.filter(({ address }) => isTest(address));
  if (tests.length === 0) return null;
  if (tests.length < recipients.length) return "mixed";
  return tests.some(({ address }) => testEndOf(address) === null) ? "unknown" : null;
}

type Numbered = Pick<StoredRecipient, "n" | "address">;
type Ending = { n: number; address: string; end: TestEnd };

/**
 * @param isByTestKey whether a key for tests sent it: then other recipients end as delivered
 * @returns how the email ends for each recipient; null if it goes to a transport
 */
export function testEndings(
  recipients: readonly Numbered[],
  isByTestKey: boolean,
): readonly Ending[] | null {
  const endings = recipients.map(({ n, address }) => ({
    n,
    address,
    end: isTest(address) ? testEndOf(address) : isByTestKey ? ("delivered" as const) : null,
  }));
  return endings.length > 0 && endings.every((one): one is Ending => one.end !== null)
    ? endings
    : null;
}

const taken: OutcomeForAll = {
  kind: "accepted",
  detail: { transport: TEST_TRANSPORT, phase: "test", text: TEST_TEXT },
};
const refused: OutcomeForAll = {
  kind: "refused_permanent",
  detail: {
    transport: TEST_TRANSPORT,
    phase: "test",
    code: 550,
    enhancedCode: "5.1.1",
    text: "550 5.1.1 a recipient of tests",
  },
};

/** What a transport would answer. */
export function testOutcome(endings: readonly Ending[]): Outcome {
  const isRefused = ({ end }: Ending): boolean => end === "refused";
  if (endings.every(isRefused)) return refused;
  const except = endings.filter(isRefused).map(({ n }) => ({ n, outcome: refused }));
  return except.length === 0 ? taken : { ...taken, except };
}

/** How an email ends that was handed over. `status`: null if its recipients have own states. */
export type EndOfTest = {
  id: string;
  generation: number;
  status: string | null;
  detail: string;
  recipients: { n: number; state: string }[];
};

/** What a provider would report later. No address is suppressed, so that tests can be repeated. */
export function endOfTest(
  { id, generation }: { id: string; generation: number },
  endings: readonly Ending[],
): EndOfTest {
  const ended = endings.filter(({ end }) => end !== "refused");
  const [only] = endings.length === 1 ? ended : [];
  return {
    id,
    generation,
    status: only?.end ?? null,
    detail: JSON.stringify({
      transport: TEST_TRANSPORT,
      phase: "test",
      text: TEST_TEXT,
    }),
    recipients: endings.length === 1 ? [] : ended.map(({ n, end }) => ({ n, state: end })),
  };
}
