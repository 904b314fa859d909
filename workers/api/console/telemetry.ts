import { useRef } from "preact/hooks";
import type { BodyOf } from "./api.ts";
import { useResource, type Reading } from "./resource.ts";

/** The fleet's counts over time, and the range that is shown. */

export const ranges = {
  hour: { name: "last hour", query: { minutes: "60" } },
  day: { name: "last day", query: { hours: "24" } },
  month: { name: "last 30 days", query: { hours: "720" } },
} as const;
export type Range = keyof typeof ranges;

const EVERY_MS = 15_000;

/**
 * While a new range loads the previous one stays, so that the page does not move and the choice
 * keeps its focus.
 */
export function useTelemetry(range: Range): Reading<BodyOf<"getTelemetry">> {
  const reading = useResource("getTelemetry", { query: ranges[range].query }, EVERY_MS);
  const last = useRef(reading);
  if (reading.body !== null || reading.failure !== null) last.current = reading;
  return last.current;
}

export const perStep = (stepSeconds: number): string =>
  stepSeconds === 60 ? "per minute" : "per hour";

export const sum = (values: readonly number[]): number =>
  values.reduce((total, value) => total + value, 0);
