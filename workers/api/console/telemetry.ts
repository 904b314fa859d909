import { useRef } from "preact/hooks";
import type { BodyOf } from "./api.ts";
import { useResource, type Reading } from "./resource.ts";

/** What the fleet counted over time, and how far back. */

export const ranges = {
  hour: { name: "last hour", query: { minutes: "60" } },
  day: { name: "last day", query: { hours: "24" } },
  month: { name: "last 30 days", query: { hours: "720" } },
} as const;
export type Range = keyof typeof ranges;

const EVERY_MS = 15_000;

/**
 * While another range is read the one before stays: the page keeps its place, and the choice its
 * focus.
 */
export function useTelemetry(range: Range): Reading<BodyOf<"getTelemetry">> {
  const reading = useResource("getTelemetry", { query: ranges[range].query }, EVERY_MS);
  const last = useRef(reading);
  if (reading.body !== null || reading.failure !== null) last.current = reading;
  return last.current;
}

export const perStep = (stepSeconds: number): string =>
  stepSeconds === 60 ? "a minute" : "an hour";

export const sum = (values: readonly number[]): number =>
  values.reduce((total, value) => total + value, 0);
