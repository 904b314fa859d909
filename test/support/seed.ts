import fc from "fast-check";

/** Set by vitest.config.ts, printed by prepare.ts. */
export const seed = Number(process.env["SEED"]);
/** How often a property test runs. Set by vitest.config.ts. */
export const runs = Number(process.env["RUNS"]);

fc.configureGlobal({ seed });
