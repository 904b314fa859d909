import { useEffect, useRef, useState } from "preact/hooks";
import type { reasonChoices } from "../filters.ts";
import { countText } from "../format.ts";
import { refreshAll } from "../resource.ts";
import { call, useDenyReason } from "../session.ts";
import { Section } from "../ui/bits.tsx";

/** `buriedBefore`: the time of the count. What dies again later is not replayed again. */
type Counted = Filter & { buriedBefore: string };
type Filter = { reason?: (typeof reasonChoices)[number]; to?: string };
type Replayed = {
  state: "running" | "stopped" | "done";
  matched: number;
  replayed: number;
  failed: number;
  wrong?: string;
};
type Progress =
  | { state: "idle" }
  | { state: "counting" }
  | { state: "asking"; matched: number; counted: Counted }
  | Replayed;

/** The most that a dry run counts. */
const MAX_COUNTED = 1_000;
/** Small enough that the progress bar moves and that Stop takes effect soon. */
const CHUNK = 25;

/** Replays the dead letters that match a filter, in chunks, with progress and a way to stop. */
export function Replay({ filter }: { filter: Filter }) {
  const denyReason = useDenyReason("processDeadLetters");
  const { progress, count, run, stop } = useReplay(filter);
  return (
    <Section title="Replay all of them">
      <p>
        Queues the emails that match the filter above again. Queued does not mean delivered: emails
        that fail again come back here.
      </p>
      {progress.state !== "running" && (
        <button
          type="button"
          disabled={denyReason !== undefined || progress.state === "counting"}
          title={denyReason}
          onClick={() => void count()}
        >
          {progress.state === "counting" ? "Counting…" : "Count what would be replayed"}
        </button>
      )}
      {progress.state === "asking" && (
        <p role="status">
          {progress.matched === 0
            ? "None can be replayed."
            : `${countText(progress.matched, "email")}${orMore(progress.matched)}. `}
          {progress.matched > 0 && (
            <button
              type="button"
              class="primary"
              onClick={() => void run(progress.matched, progress.counted)}
            >
              Replay {countText(progress.matched, "email")}
            </button>
          )}
        </p>
      )}
      {"replayed" in progress && <ProgressBar progress={progress} stop={stop} />}
    </Section>
  );
}

const orMore = (matched: number): string => (matched === MAX_COUNTED ? " or more" : "");

const stateTexts = { running: "Replaying", done: "Done", stopped: "Stopped" } as const;

function ProgressBar({ progress, stop }: { progress: Replayed; stop: () => void }) {
  const { state, matched, replayed, failed, wrong } = progress;
  return (
    <div class="progress">
      <progress max={Math.max(matched, 1)} value={replayed + failed} aria-label="Replayed" />
      <p role="status">
        {stateTexts[state]}: {replayed} of {matched} queued again
        {failed > 0 && `, ${failed} could not be`}.{wrong !== undefined && ` ${wrong}`}
      </p>
      {state === "running" && (
        <button type="button" onClick={stop}>
          Stop
        </button>
      )}
    </div>
  );
}

/** The state of a replay. It stops when its page is left. */
function useReplay(filter: Filter) {
  const [progress, setProgress] = useState<Progress>({ state: "idle" });
  const stopped = useRef(false);
  useEffect(() => () => void (stopped.current = true), []);
  const stop = (): void => void (stopped.current = true);

  const count = async (): Promise<void> => {
    setProgress({ state: "counting" });
    const counted = { ...filter, buriedBefore: new Date().toISOString() };
    const outcome = await call("processDeadLetters", {
      body: { limit: MAX_COUNTED, filter: counted, dryRun: true },
    });
    if (outcome.ok) {
      setProgress({ state: "asking", matched: outcome.body.items.length, counted });
      return;
    }
    const wrong = `${outcome.title}. ${outcome.detail}`;
    setProgress({ state: "stopped", matched: 0, replayed: 0, failed: 0, wrong });
  };

  const run = async (matched: number, counted: Counted): Promise<void> => {
    stopped.current = false;
    let replayed = 0;
    let failed = 0;
    const show = (state: Replayed["state"], wrong?: string): void =>
      setProgress({ state, matched, replayed, failed, ...(wrong !== undefined && { wrong }) });
    show("running");
    while (!stopped.current && replayed + failed < matched) {
      const limit = Math.min(CHUNK, matched - replayed - failed);
      const outcome = await call("processDeadLetters", { body: { limit, filter: counted } });
      if (!outcome.ok) return show("stopped", `${outcome.title}. ${outcome.detail}`);
      const { processed, errors } = outcome.body;
      replayed += processed;
      failed += errors;
      show("running");
      // Emails that cannot be replayed match first again: another chunk would find the same ones.
      if (processed === 0) break;
    }
    show(stopped.current ? "stopped" : "done");
    await refreshAll();
  };

  return { progress, count, run, stop };
}
