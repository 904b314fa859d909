/** From here on a run is one of `npm run test:deep`. */
const DEEP_RUNS = 10_000;

/**
 * @returns how often a property test runs whose every run works on a real D1: as many runs as
 * without one would take days, and in CI an hour
 */
export const databaseRuns = (runs: number): number =>
  Math.min(Math.ceil(runs / 5), runs < DEEP_RUNS ? 100 : 3_000);

/** The same for requests to a Worker, which are shorter. */
export const requestRuns = (runs: number): number =>
  Math.min(runs * 5, runs < DEEP_RUNS ? 2_500 : 100_000);

/** The same for days of a simulated luna-cron. */
export const simulatedDays = (runs: number): number =>
  Math.min(Math.ceil(runs / 3), runs < DEEP_RUNS ? 170 : 2_000);
