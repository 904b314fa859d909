/**
 * @returns how often a property test runs whose every run works on a real D1: as many runs as
 * without one would take days
 */
export const databaseRuns = (runs: number): number => Math.min(Math.ceil(runs / 5), 3_000);
