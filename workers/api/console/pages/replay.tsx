import { useEffect, useRef, useState } from "preact/hooks";
import { countText } from "../format.ts";
import { refreshAll } from "../resource.ts";
import { call, useMayWrite } from "../session.ts";
import { Section } from "../ui/bits.tsx";

/** `buriedBefore`: when it was counted, so that what dies again meanwhile is not replayed again. */
type Counted = Filter & { buriedBefore: string };
type Filter = { reason?: "exhausted" | "permanent" | "operator" | "suppressed"; to?: string };
type Progress =
  | { state: "idle" }
  | { state: "counting" }
  | { state: "asking"; matched: number; counted: Counted }
  | {
      state: "running" | "stopped" | "done";
      matched: number;
      replayed: number;
      failed: number;
      wrong?: string;
    };

/** The most that a dry run counts. */
const MAX_COUNTED = 1_000;
/** Small enough that the bar moves and that to stop means soon. */
const CHUNK = 25;

/** Replays all dead letters that a filter finds, in chunks that can be watched and stopped. */
export function Replay({ filter }: { filter: Filter }) {
  const { mayWrite, whyNot } = useMayWrite();
  const [progress, setProgress] = useState<Progress>({ state: "idle" });
  const stopped = useRef(false);
  useEffect(() => () => void (stopped.current = true), []);

  const count = async (): Promise<void> => {
    setProgress({ state: "counting" });
    const counted = { ...filter, buriedBefore: new Date().toISOString() };
    const outcome = await call("processDeadLetters", {
      body: { limit: MAX_COUNTED, filter: counted, dryRun: true },
    });
    if (outcome.ok) setProgress({ state: "asking", matched: outcome.body.items.length, counted });
    else
      setProgress({
        state: "stopped",
        matched: 0,
        replayed: 0,
        failed: 0,
        wrong: `${outcome.title}. ${outcome.detail}`,
      });
  };

  const run = async (matched: number, counted: Counted): Promise<void> => {
    stopped.current = false;
    let [replayed, failed] = [0, 0];
    const show = (state: "running" | "stopped" | "done", wrong?: string): void =>
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
      // What could not be replayed is found first again: nothing more will come of it.
      if (processed === 0) break;
    }
    show(stopped.current ? "stopped" : "done");
    await refreshAll();
  };

  return (
    <Section title="Replay all of them">
      <p>
        Queues again what the filter above finds. That a mail is queued does not say that it
        arrives: those that die again come back here.
      </p>
      {progress.state !== "running" && (
        <button
          type="button"
          disabled={!mayWrite || progress.state === "counting"}
          title={whyNot}
          onClick={() => void count()}
        >
          {progress.state === "counting" ? "Counting…" : "Count what would be replayed"}
        </button>
      )}
      {progress.state === "asking" && (
        <p role="status">
          {progress.matched === 0
            ? "None can be replayed."
            : `${countText(progress.matched, "mail")}${progress.matched === MAX_COUNTED ? " or more" : ""}. `}
          {progress.matched > 0 && (
            <button
              type="button"
              class="primary"
              onClick={() => void run(progress.matched, progress.counted)}
            >
              Replay {countText(progress.matched, "mail")}
            </button>
          )}
        </p>
      )}
      {"replayed" in progress && (
        <div class="progress">
          <progress
            max={Math.max(progress.matched, 1)}
            value={progress.replayed + progress.failed}
            aria-label="Replayed"
          />
          <p role="status">
            {progress.state === "running"
              ? "Replaying: "
              : progress.state === "done"
                ? "Done: "
                : "Stopped: "}
            {progress.replayed} of {progress.matched} queued again
            {progress.failed > 0 && `, ${progress.failed} could not be`}.
            {progress.wrong !== undefined && ` ${progress.wrong}`}
          </p>
          {progress.state === "running" && (
            <button type="button" onClick={() => (stopped.current = true)}>
              Stop
            </button>
          )}
        </div>
      )}
    </Section>
  );
}
