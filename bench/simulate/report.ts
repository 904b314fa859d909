/**
 * What a part of the simulation writes: `parts` are tables for `docs/explain/simulation.md`,
 * `images` SVGs, each by its name.
 */
export type Report = { parts: Record<string, string>; images: Record<string, string> };
