import { ranges, type Range } from "../telemetry.ts";

/** How far back the charts go. */
export function RangeChoice({
  range,
  onChoose,
}: {
  range: Range;
  onChoose: (range: Range) => void;
}) {
  return (
    <label class="range">
      <span class="hidden">How far back</span>
      <select
        value={range}
        onChange={({ currentTarget }) => onChoose(currentTarget.value as Range)}
      >
        {Object.entries(ranges).map(([name, { name: shown }]) => (
          <option key={name} value={name}>
            {shown}
          </option>
        ))}
      </select>
    </label>
  );
}
