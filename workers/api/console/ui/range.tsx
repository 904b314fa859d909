import { chosen } from "../filters.ts";
import { rangeNames, ranges, type Range } from "../ranges.ts";
import { linkTo, type PageName } from "../router.ts";

/** The range that the address names. */
export const rangeOf = (query: URLSearchParams): Range =>
  chosen(query, "range", rangeNames) ?? "hour";

/** How far back the charts go. It is in the address, beside the other filters of the page. */
export function RangeChoice({ page, query }: { page: PageName; query: URLSearchParams }) {
  return (
    <label class="range">
      <span class="hidden">How far back</span>
      <select
        value={rangeOf(query)}
        onChange={({ currentTarget: { value } }) =>
          (location.hash = linkTo(page, null, { ...Object.fromEntries(query), range: value }))
        }
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
