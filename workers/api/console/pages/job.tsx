import { useState } from "preact/hooks";
import type { AnswerBody } from "../api.ts";
import { countText } from "../format.ts";
import {
  jobRunTones,
  lastAttemptText,
  jobScheduleText,
  targetText,
  type JobRun,
} from "../job-state.ts";
import { useResource } from "../resource.ts";
import { linkTo } from "../router.ts";
import { call } from "../session.ts";
import { Facts, Raw, Section, State, Time } from "../ui/bits.tsx";
import { Action } from "../ui/confirm.tsx";
import { Loaded, Together } from "../ui/loaded.tsx";
import { PagedList } from "../ui/paged-list.tsx";
import { Table } from "../ui/table.tsx";
import { JobActions, Next } from "./jobs.tsx";

type Job = Extract<AnswerBody<"getJob">, { builtIn: false }>;

export function JobPage({ name }: { name: string }) {
  const job = useResource("getJob", { params: { name } });
  const next = useResource("nextJobTimes", { params: { name }, query: { count: "5" } });
  if (job.failure?.status === 404)
    return (
      <p>
        There is no job <code>{name}</code>. Go to <a href={linkTo("jobs")}>the jobs</a>.
      </p>
    );
  return (
    <Together readings={[job, next]}>
      <Loaded reading={job} lines={6}>
        {(body) => (body.builtIn ? <BuiltIn /> : <Details job={body} />)}
      </Loaded>
      <Section title="Next times">
        <Loaded reading={next}>
          {({ times }) =>
            times.length === 0 ? (
              <p class="empty">It has no further slot.</p>
            ) : (
              <ul>
                {times.map((at) => (
                  <li key={at}>
                    <Time at={at} /> <code>{at}</code>
                  </li>
                ))}
              </ul>
            )
          }
        </Loaded>
      </Section>
      <Runs name={name} onlyDead />
      <Runs name={name} onlyDead={false} />
    </Together>
  );
}

function BuiltIn() {
  return (
    <p>
      It is a built-in task. Its history is on <a href={linkTo("tasks")}>the page of tasks</a>.
    </p>
  );
}

function Details({ job }: { job: Job }) {
  const { name, failures, overlap, missed, retries, timeoutMs, payload } = job;
  return (
    <>
      <p class="lead">
        <strong>{name}</strong>: <code>{jobScheduleText(job)}</code>, {targetText(job)}
      </p>
      <Facts
        facts={[
          ["Next", <Next item={job} />],
          ["Dead runs in a row", failures, failures > 0 ? "bad" : "good"],
          ["Overlap", overlap],
          ["Missed slots", missed],
          ["Retries", `${retries.max}, from ${retries.backoff}`],
          ["Time limit", `${timeoutMs / 1_000} s`],
        ]}
      />
      <div class="buttons">
        <JobActions item={job} />{" "}
        <Action
          operation="deleteJob"
          label="Delete"
          of={name}
          tone="danger"
          explains={<p>It has no slots any more. Runs that wait are cancelled.</p>}
          done={`${name} is deleted.`}
          act={() => call("deleteJob", { params: { name } })}
          after={() => {
            location.hash = linkTo("jobs");
          }}
        />
      </div>
      {payload !== undefined && (
        <details>
          <summary>Payload</summary>
          <Raw value={payload} />
        </details>
      )}
    </>
  );
}

function Runs({ name, onlyDead }: { name: string; onlyDead: boolean }) {
  const [cursor, setCursor] = useState<string | undefined>(undefined);
  const list = useResource("listJobRuns", {
    params: { name },
    query: {
      limit: "20",
      ...(onlyDead && { status: "dead" }),
      ...(cursor !== undefined && { cursor }),
    },
  });
  const hasDead = (list.body?.items.length ?? 0) > 0;
  const title = onlyDead ? "Dead runs" : "History";
  return (
    <Section
      title={title}
      aside={
        onlyDead &&
        hasDead && (
          <Action
            operation="replayJobRuns"
            label="Replay all"
            of={name}
            explains={<p>Up to 1,000 dead runs are called again, each under its id.</p>}
            done={`The dead runs of ${name} are due again.`}
            act={() => call("replayJobRuns", { params: { name }, body: {} })}
          />
        )
      }
    >
      <PagedList reading={list} cursor={cursor} onMove={setCursor}>
        {({ items }) => (
          <Table
            caption={onlyDead ? `Dead runs of ${name}` : `Runs of ${name}`}
            rows={items}
            keyOf={({ runId }) => runId}
            empty={onlyDead ? "No run is dead." : "There is no run yet."}
            columns={[
              {
                head: "Slot",
                cell: ({ scheduledTime, trigger }) => (
                  <>
                    <Time at={scheduledTime} />
                    {trigger === "operator" && (
                      <>
                        <br />
                        by an operator
                      </>
                    )}
                  </>
                ),
              },
              {
                head: "State",
                cell: ({ status }) => <State tone={jobRunTones[status]}>{status}</State>,
              },
              { head: "Attempts", kind: "number", cell: ({ attempts }) => attempts },
              { head: "Last attempt", kind: "wide", cell: (run) => <Outcome run={run} /> },
              {
                head: "Replay",
                kind: "actions",
                cell: (run) => <Replay name={name} run={run} />,
              },
            ]}
          />
        )}
      </PagedList>
    </Section>
  );
}

function Outcome({ run }: { run: JobRun }) {
  if (run.missed !== undefined)
    return (
      <>
        {countText(run.missed.count, "slot")} until <Time at={run.missed.until} />
      </>
    );
  return <span class="said">{lastAttemptText(run) ?? "–"}</span>;
}

function Replay({ name, run: { runId, status } }: { name: string; run: JobRun }) {
  if (status !== "dead" && status !== "success") return null;
  return (
    <Action
      operation="replayJobRun"
      label="Replay"
      of={runId}
      heading={`Replay a run of ${name}`}
      explains={
        <p>The call is made again under the same id. A receiver that has it may skip it.</p>
      }
      done="The run is due again."
      act={() => call("replayJobRun", { params: { name, runId } })}
    />
  );
}
