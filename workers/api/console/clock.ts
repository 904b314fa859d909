import { useEffect } from "preact/hooks";
import { Store, useStore } from "./store.ts";

/** The time of the page, so that all relative times change together. */
const time = new Store(Date.now());
const EVERY_MS = 1_000;
let ticking: ReturnType<typeof setInterval> | undefined;

/** Milliseconds since the epoch, renewed each second. */
export function useNow(): number {
  useEffect(() => {
    ticking ??= setInterval(() => {
      if (!document.hidden) time.value = Date.now();
    }, EVERY_MS);
  }, []);
  return useStore(time);
}
