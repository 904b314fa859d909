import type { ComponentChildren } from "preact";
import { useNow } from "../clock.ts";
import { relativeText, spanText } from "../format.ts";
import type { Reading } from "../resource.ts";

/**
 * Shows an answer. While it loads, a placeholder of about `lines` lines keeps its place; while
 * reading fails, the last answer stays, with its age.
 */
export function Loaded<Body>({
  reading,
  lines = 3,
  children,
}: {
  reading: Reading<Body>;
  lines?: number;
  children: (body: Body) => ComponentChildren;
}) {
  const { body } = reading;
  return (
    <>
      <Failing reading={reading} />
      {body !== null && children(body)}
      {isPending(reading) && <Skeleton lines={lines} />}
    </>
  );
}

/** Neither an answer nor a failure yet. */
function isPending({ body, failure }: Reading<unknown>): boolean {
  return body === null && failure === null;
}

function Skeleton({ lines }: { lines: number }) {
  return (
    <div class="skeleton" aria-busy="true">
      <span class="hidden">Loading</span>
      {Array.from({ length: lines }, (_, n) => (
        <i key={n} />
      ))}
    </div>
  );
}

/**
 * Shows its children once every reading has an answer or a failure: parts that appear one by one
 * would move each other.
 */
export function Together({
  readings,
  children,
}: {
  readings: Reading<unknown>[];
  children: ComponentChildren;
}) {
  return readings.some(isPending) ? <Skeleton lines={12} /> : <>{children}</>;
}

/** The failure of a reading, since when, and the age of what is shown; nothing while it works. */
export function Failing({ reading: { failure, at } }: { reading: Reading<unknown> }) {
  const now = useNow();
  if (failure === null) return null;
  return (
    <div class="failing" role="alert">
      <strong>{failure.title}</strong> <span>{failure.detail}</span>
      <small>
        {` For ${spanText(now - failure.since)}. `}
        {at === null
          ? "There is no answer yet. "
          : `The page shows an answer of ${relativeText(at, now)}. `}
        The console retries by itself.
      </small>
    </div>
  );
}
