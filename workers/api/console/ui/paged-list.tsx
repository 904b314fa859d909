import type { ComponentChildren } from "preact";
import type { Reading } from "../resource.ts";
import { Loaded } from "./loaded.tsx";

/** One page of a list, and the buttons that move through it by its cursors. */
export function PagedList<Body extends { nextCursor?: string | undefined }>({
  reading,
  cursor,
  onMove,
  children,
}: {
  reading: Reading<Body>;
  cursor: string | undefined;
  onMove: (cursor: string | undefined) => void;
  children: (body: Body) => ComponentChildren;
}) {
  return (
    <Loaded reading={reading} lines={8}>
      {(body) => (
        <>
          {children(body)}
          <Paging cursor={cursor} next={body.nextCursor} onMove={onMove} />
        </>
      )}
    </Loaded>
  );
}

function Paging({
  cursor,
  next,
  onMove,
}: {
  cursor: string | undefined;
  next: string | undefined;
  onMove: (cursor: string | undefined) => void;
}) {
  if (cursor === undefined && next === undefined) return null;
  return (
    <div class="buttons">
      <button type="button" disabled={cursor === undefined} onClick={() => onMove(undefined)}>
        First page
      </button>
      <button type="button" disabled={next === undefined} onClick={() => onMove(next)}>
        Next page
      </button>
    </div>
  );
}
