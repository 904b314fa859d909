import type { AnswerBody } from "../api.ts";
import { countText, durationText, exactText } from "../format.ts";

export type Run = AnswerBody<"scheduledTaskHistory">["recentExecutions"][number]["results"][number];

const SHOWN = 24;
const WIDTH = 6;
const HEIGHT = 24;

/**
 * The last runs of a task, the latest on the right. Height is duration; failed and missed runs are
 * marked.
 */
export function RunStrip({ task, runs }: { task: string; runs: readonly Run[] | null }) {
  if (runs === null) return <span class="since">not known</span>;
  const shown = runs.slice(0, SHOWN).toReversed();
  if (shown.length === 0) return <span class="since">no recent runs</span>;
  const longest = Math.max(...shown.map(({ duration = 0 }) => duration), 1);
  const wrong = shown.filter(({ status }) => status === "failure" || status === "missed").length;
  const label = [
    `${task}: ${countText(shown.length, "run")}`,
    `${wrong} failed or missed`,
    `the longest took ${durationText(longest)}`,
  ].join(", ");
  return (
    <svg
      class="strip"
      width={SHOWN * WIDTH}
      height={HEIGHT}
      viewBox={`0 0 ${SHOWN * WIDTH} ${HEIGHT}`}
      role="img"
      aria-label={label}
    >
      {shown.map((run, n) => {
        const isWrong = run.status === "failure" || run.status === "missed";
        const height = isWrong
          ? HEIGHT
          : Math.max(3, Math.round(((run.duration ?? 0) / longest) * HEIGHT));
        const x = (SHOWN - shown.length + n) * WIDTH;
        return (
          <rect
            key={run.runId}
            class={run.status}
            x={x}
            y={HEIGHT - height}
            width={WIDTH - 2}
            height={height}
          >
            <title>{titleOf(run)}</title>
          </rect>
        );
      })}
    </svg>
  );
}

function titleOf({ status, startedAt, duration }: Run): string {
  const took = duration === undefined ? [] : [durationText(duration)];
  return [status, exactText(Date.parse(startedAt)), ...took].join(", ");
}
