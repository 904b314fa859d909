import { crashes, testCrashes } from "./crash-at-points.ts";

/**
 * The points of docs/explain/crash-points.md in a sweep, which has something to do only after
 * another crash.
 */
testCrashes(crashes.filter(({ again }) => again !== null));
