import { globSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { validate } from "../shared/lib/worker/validate.ts";

/**
 * In a roll-out, and after a roll-back, a newer isolate calls an older object. A field that the
 * object does not know must not cost the isolate its cache, breaker, counters or watchdog.
 */

/** One request for each schema that an object validates, by the schema's name. */
const requests: Record<string, unknown> = {
  tagSyncRequest: {
    since: { generation: "g", seq: 1 },
    lookUp: ["a"],
    stored: [{ key: "k", tags: ["t"], seq: 1, expiresAt: 1 }],
  },
  purgeRequest: { since: { generation: "g", seq: 1 }, tags: ["a"], mode: "hard" },
  inspectRequest: { tag: "a" },
  breakerSyncRequest: {
    report: { epoch: 1, failures: 1, calls: 1 },
    acquire: { id: "a", lastsMs: 1, cold: true },
  },
  probeReport: { permitId: "a", outcome: "success" },
  historyPage: { limit: 1 },
  openCommand: { actor: "ada", reason: "maintenance" },
  commandOrigin: { actor: "ada", reason: "maintenance" },
  report: { isolate: "i", totals: {} },
  breakerAnnouncement: {
    name: "prices",
    object: "a1",
    state: "OPEN",
    epoch: 2,
    override: "none",
    last: { id: 1, at: 1, from: "CLOSED", to: "OPEN", epoch: 2, cause: "threshold", actor: "a" },
    outage: { since: 1, reason: null },
  },
  pointsAsked: { stepMs: 60_000, from: 0 },
  heartbeatDefinition: {
    id: "hb_1",
    tenant: "user:ada",
    name: "backup",
    schedule: { every: "60s" },
    graceMs: 60_000,
    isPaused: false,
    pauseRevision: 0,
    revision: 1,
  },
  pingRequest: { kind: "success", rid: null, exitStatus: null, method: "GET", body: "" },
  pingsPage: { limit: 1, before: null },
  watched: [{ task: "sweep-outbox", dueBy: 1 }],
  unrecordedAlerts: [{ key: "storage:95", summary: "the database is full", forMs: 0 }],
};

const objects = globSync(["shared/**/*.ts", "workers/**/*.ts"], { exclude: ["**/*.test.ts"] })
  .map((file) => ({ file, text: readFileSync(file, "utf8") }))
  .filter(({ text }) => /\bextends DurableObject\b/.test(text));

/** The schemas that an object validates its requests with, and the file that defines each. */
const validated = objects.flatMap(({ file, text }) =>
  [...new Set([...text.matchAll(/\bvalidate\((\w+),/g)].map(([, name = ""]) => name))].map(
    (name) => {
      const imported = [...text.matchAll(/import \{([^}]*)\} from "([^"]+)"/g)].find(
        ([, names = ""]) => new RegExp(`\\b${name}\\b`).test(names),
      );
      return { object: file, name, from: join(dirname(file), imported?.[2] ?? "") };
    },
  ),
);

const withMore = (given: unknown): unknown => {
  if (Array.isArray(given)) return given.map(withMore);
  if (typeof given !== "object" || given === null) return given;
  const entries = Object.entries(given).map(([name, value]) => [name, withMore(value)]);
  return { ...Object.fromEntries(entries), ofANewerRelease: 1 };
};
const listsIn = (given: unknown): number[] => {
  if (Array.isArray(given)) return [given.length, ...given.flatMap(listsIn)];
  return typeof given === "object" && given !== null ? Object.values(given).flatMap(listsIn) : [];
};

describe("an object", () => {
  it("validates each request with a schema of its rules/rpc.ts, and each has an example here", () => {
    expect(objects.length).toBeGreaterThanOrEqual(4);
    for (const { object, name, from } of validated)
      expect(from, `${name} of ${object}`).toMatch(/rules\/rpc\.ts$/);
    expect(new Set(validated.map(({ name }) => name))).toEqual(new Set(Object.keys(requests)));
  });

  it.each(validated)("takes $name with a field of a newer release", async ({ name, from }) => {
    const module = (await import(resolve(from))) as Record<string, v.GenericSchema>;
    const checked = validate(module[name] ?? v.never(), withMore(requests[name]));
    expect(checked).toMatchObject({ ok: true });
    // No item of a list is left out either.
    expect(listsIn(checked)).toEqual(listsIn(requests[name]));
  });
});
