import { useRef } from "preact/hooks";
import type { AnswerBody } from "./api.ts";
import { ranges, type Range } from "./ranges.ts";
import { useResource, type Reading } from "./resource.ts";

const EVERY_MS = 15_000;

/**
 * While a new range loads the previous one stays, so that the page does not move and the choice
 * keeps its focus.
 */
export function useTelemetry(range: Range): Reading<AnswerBody<"getTelemetry">> {
  const reading = useResource("getTelemetry", { query: ranges[range].query }, EVERY_MS);
  const last = useRef(reading);
  if (reading.body !== null || reading.failure !== null) last.current = reading;
  return last.current;
}
