/** Moves through a list by its cursors. */
export function Paging({
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
