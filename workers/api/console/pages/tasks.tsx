import { useState } from "preact/hooks";
import { failedCall, type AnswerBody, type CallOutcome } from "../api.ts";
import { RunStrip, type Run } from "../charts/run-strip.tsx";
import { countText, durationText } from "../format.ts";
import { useHealth } from "../health.ts";
import { useResource } from "../resource.ts";
import { call } from "../session.ts";
import { Empty, Raw, Section, State, Time, type Tone } from "../ui/bits.tsx";
import { Action } from "../ui/confirm.tsx";
import { Failing, Loaded, Together } from "../ui/loaded.tsx";
import { PagedList } from "../ui/paged-list.tsx";
import { Table } from "../ui/table.tsx";

type History = AnswerBody<"scheduledTaskHistory">;

const runTones: Record<Run["status"], Tone> = {
  success: "good",
  failure: "bad",
  missed: "bad",
  running: "warn",
  skipped: "idle",
};

export function TasksPage() {
  const health = useHealth();
  const tasks = useResource("listScheduledTasks");
  const recent = useResource("scheduledTaskHistory", { query: { limit: "100" } });
  const overdue = new Set(health.body?.checks.tasks.overdue.map(({ task }) => task));
  // Null: not known, which is not the same as none.
  const runs = recent.body?.recentExecutions.flatMap(({ results }) => results) ?? null;
  return (
    <Together readings={[health, tasks, recent]}>
      <Section title="Schedule">
        <Failing reading={health} />
        {health.body?.checks.tasks.unreachable === true && (
          <p class="banner warn">
            <State tone="warn">The task watchdog does not answer</State>
            <span>Whether a task is overdue is not known.</span>
          </p>
        )}
        <Loaded reading={tasks} lines={8}>
          {({ items }) => <Tasks items={items} overdue={overdue} runs={runs} />}
        </Loaded>
      </Section>
      <Executions />
    </Together>
  );
}

type Task = AnswerBody<"listScheduledTasks">["items"][number];

function Tasks({
  items,
  overdue,
  runs,
}: {
  items: Task[];
  overdue: ReadonlySet<string>;
  runs: (Run & { task: string })[] | null;
}) {
  return (
    <Table
      caption="Scheduled tasks"
      rows={items}
      keyOf={({ name }) => name}
      empty="No task is registered."
      columns={[
        {
          head: "Task",
          cell: ({ name, cron }) => (
            <>
              <strong>{name}</strong>
              <br />
              <code>{cron}</code>
            </>
          ),
        },
        {
          head: "Last run",
          cell: (task) => <LastRun task={task} isOverdue={overdue.has(task.name)} />,
        },
        {
          head: "Took",
          kind: "number",
          cell: ({ lastRun }) =>
            lastRun?.duration === undefined ? "" : durationText(lastRun.duration),
        },
        { head: "Next", cell: ({ nextAt }) => <Time at={nextAt} /> },
        {
          head: "Recent runs",
          kind: "wide",
          cell: ({ name }) => (
            <RunStrip task={name} runs={runs?.filter(({ task }) => task === name) ?? null} />
          ),
        },
        { head: "Run now", kind: "actions", cell: ({ name }) => <RunNow name={name} /> },
      ]}
    />
  );
}

function LastRun({ task: { lastRun }, isOverdue }: { task: Task; isOverdue: boolean }) {
  return (
    <>
      {isOverdue && <State tone="bad">overdue</State>}
      {lastRun === undefined ? (
        <State tone="idle">never</State>
      ) : (
        <>
          <State tone={runTones[lastRun.status]}>{lastRun.status}</State>{" "}
          <Time at={lastRun.startedAt} />
        </>
      )}
    </>
  );
}

function RunNow({ name }: { name: string }) {
  return (
    <Action
      label="Run now"
      of={name}
      explains={<p>It runs once, in addition to its schedule. Tasks are safe to run twice.</p>}
      done={`${name} ran.`}
      operation="runTask"
      act={async () => ranWell(await call("runTask", { params: { name } }))}
    />
  );
}

/** The API answers 200 also for a failed run: that must not look like a success. */
function ranWell(outcome: CallOutcome<AnswerBody<"runTask">>): CallOutcome<unknown> {
  if (!outcome.ok || outcome.body.status === "success") return outcome;
  return failedCall("The task ran and failed", outcome.body.error.message);
}

function Executions() {
  const [cursor, setCursor] = useState<string | undefined>(undefined);
  const history = useResource("scheduledTaskHistory", {
    query: { limit: "20", ...(cursor !== undefined && { cursor }) },
  });
  return (
    <Section title="Executions">
      <PagedList reading={history} cursor={cursor} onMove={setCursor}>
        {({ total, failed, recentExecutions }) => (
          <>
            <p>
              {countText(total, "execution")} in the history, {failed} with a failure. Each trigger
              starts one, with all due runs.
            </p>
            {recentExecutions.length === 0 && <Empty>There are no executions yet.</Empty>}
            <ul class="executions">
              {recentExecutions.map((execution) => (
                <li key={execution.executionId}>
                  <Execution execution={execution} />
                </li>
              ))}
            </ul>
          </>
        )}
      </PagedList>
    </Section>
  );
}

function Execution({ execution }: { execution: History["recentExecutions"][number] }) {
  const { startedAt, trigger, duration, results, failed } = execution;
  const outcome = failed > 0 ? `${failed} failed` : "ok";
  return (
    <details open={failed > 0}>
      <summary>
        <State tone={failed > 0 ? "bad" : "good"}>{outcome}</State> <Time at={startedAt} />, by{" "}
        {trigger}, {countText(results.length, "task")}
        {duration !== undefined && `, ${durationText(duration)}`}
      </summary>
      <ul class="runs">
        {results.map((run) => (
          <li key={run.runId}>
            <State tone={runTones[run.status]}>{run.status}</State> <strong>{run.task}</strong>
            {run.duration !== undefined && ` ${durationText(run.duration)}`}
            {run.attempt > 1 && ` attempt ${run.attempt}`}
            {run.failedAttempts !== undefined && (
              <details>
                <summary>{countText(run.failedAttempts.length, "failed attempt")} before</summary>
                <ul>
                  {run.failedAttempts.map((one) => (
                    <li key={one.startedAt}>
                      <Time at={one.startedAt} />: {one.error.message}
                    </li>
                  ))}
                </ul>
              </details>
            )}
            {run.missed !== undefined && (
              <>
                : {countText(run.missed.count, "slot")} from <Time at={run.missed.from} /> to{" "}
                <Time at={run.missed.until} />
              </>
            )}
            {run.error !== undefined && (
              <>
                <p class="said">{run.error.message}</p>
                {run.error.stack !== undefined && (
                  <details>
                    <summary>Stack</summary>
                    <Raw value={run.error.stack} />
                  </details>
                )}
              </>
            )}
            {run.status === "failure" && (
              <Action
                label="Retry"
                of={run.task}
                explains={<p>The task runs again now, as another attempt of this run.</p>}
                done={`${run.task} ran.`}
                operation="retryRun"
                act={async () => ranWell(await call("retryRun", { params: { runId: run.runId } }))}
              />
            )}
          </li>
        ))}
      </ul>
    </details>
  );
}
