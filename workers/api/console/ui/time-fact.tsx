import type { ComponentChildren } from "preact";
import { Time } from "./bits.tsx";

/** A key figure that is a time; none if there is no time. */
export function timeFact(name: string, at: string | undefined): [string, ComponentChildren][] {
  return at === undefined ? [] : [[name, <Time at={at} />]];
}
