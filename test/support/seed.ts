import fc from "fast-check";

/** Set by vitest.config.ts, which prints it. */
export const seed = Number(process.env["SEED"]);

fc.configureGlobal({ seed });
