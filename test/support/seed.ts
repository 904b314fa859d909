import fc from "fast-check";

/** Set by vitest.config.ts, printed by prepare.ts. */
export const seed = Number(process.env["SEED"]);
/** How often a property test runs. Set by vitest.config.ts. */
export const runs = Number(process.env["RUNS"]);

/** Of the models of the circuit breaker: at least 2,000 where CI asks for more than the default. */
export const breakerRuns = runs >= 1_000 ? Math.max(runs, 2_000) : runs;

fc.configureGlobal({ seed });
