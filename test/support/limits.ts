/**
 * The limits of the tests. Only a hang reaches them: the machine may be slow, and others may work
 * on it meanwhile.
 */

const MINUTE_MS = 60_000;

/** Of one test and of one hook. A property test of `npm run test:deep` takes hours. */
export const TEST_TIMEOUT_MS = (Number(process.env["RUNS"]) > 10_000 ? 600 : 15) * MINUTE_MS;
/**
 * Of one condition that a test waits for, so that the failure names the condition and not the test
 * alone.
 */
export const CONDITION_TIMEOUT_MS = 5 * MINUTE_MS;
