import type { ComponentChildren } from "preact";
import { useNow } from "../clock.ts";
import { relativeText, spanText } from "../format.ts";
import type { Reading } from "../resource.ts";

/**
 * What was read, or why there is nothing: while it loads its place is kept, and while reading fails
 * what was read before stays, with its age. `lines` is about how many lines it will have.
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
 * What is shown only once all of it has been read or has failed: parts that come one by one push
 * each other around.
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

/** What is wrong with reading, since when, and how old is what is shown; nothing while it works. */
export function Failing({ reading: { failure, at } }: { reading: Reading<unknown> }) {
  const now = useNow();
  if (failure === null) return null;
  return (
    <div class="failing" role="alert">
      <strong>{failure.title}</strong> <span>{failure.detail}</span>
      <small>
        {` For ${spanText(now - failure.since)}. `}
        {at === null
          ? "Nothing was read yet. "
          : `What is shown was read ${relativeText(at, now)}. `}
        It is tried again by itself.
      </small>
    </div>
  );
}
