import { crashes, testCrashes } from "./crash-at-points.ts";

/** The points of docs/explain/crash-points.md that one crash reaches. */
testCrashes(crashes.filter(({ again }) => again === null));
