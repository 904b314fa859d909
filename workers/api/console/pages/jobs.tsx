import { jobRunTones, mayPause, jobScheduleText, targetText, type JobItem } from "../job-state.ts";
import { useResource } from "../resource.ts";
import { linkTo } from "../router.ts";
import { call } from "../session.ts";
import { State, Time } from "../ui/bits.tsx";
import { Action } from "../ui/confirm.tsx";
import { Together } from "../ui/loaded.tsx";
import { PagedList } from "../ui/paged-list.tsx";
import { Table } from "../ui/table.tsx";

function move(next: string | undefined): void {
  location.hash = linkTo("jobs", null, { cursor: next });
}

export function JobsPage({ query }: { query: URLSearchParams }) {
  const cursor = query.get("cursor") ?? undefined;
  const list = useResource("listJobs", {
    query: { limit: "50", ...(cursor !== undefined && { cursor }) },
  });
  return (
    <Together readings={[list]}>
      <p class="lead">
        Calls that operators schedule by <code>POST /api/admin/jobs</code>, newest first, then the
        built-in tasks.
      </p>
      <PagedList reading={list} cursor={cursor} onMove={move}>
        {({ items }) => (
          <Table
            caption="Jobs"
            rows={items}
            keyOf={({ name }) => name}
            empty="There is no job."
            columns={[
              {
                head: "Job",
                cell: (item) => (
                  <>
                    <a href={item.builtIn ? linkTo("tasks") : linkTo("jobs", item.name)}>
                      {item.name}
                    </a>
                    <br />
                    <code>{jobScheduleText(item)}</code>
                  </>
                ),
              },
              { head: "Calls", cell: targetText },
              { head: "Last run", cell: (item) => <LastRun item={item} /> },
              { head: "Next", cell: (item) => <Next item={item} /> },
              { head: "Actions", kind: "actions", cell: (item) => <JobActions item={item} /> },
            ]}
          />
        )}
      </PagedList>
    </Together>
  );
}

function LastRun({ item: { lastRun } }: { item: JobItem }) {
  if (lastRun === undefined) return <State tone="idle">never</State>;
  return (
    <>
      <State tone={jobRunTones[lastRun.status]}>{lastRun.status}</State>{" "}
      <Time at={lastRun.startedAt ?? lastRun.scheduledTime} />
    </>
  );
}

export function Next({ item: { nextAt, pausedAt } }: { item: JobItem }) {
  if (pausedAt !== undefined)
    return (
      <>
        <State tone="warn">paused</State> <Time at={pausedAt} />
      </>
    );
  return nextAt === undefined ? <State tone="idle">over</State> : <Time at={nextAt} />;
}

export function JobActions({ item }: { item: JobItem }) {
  const { name, pausedAt } = item;
  const params = { name };
  return (
    <>
      <Action
        operation="runJob"
        label="Run now"
        of={name}
        explains={<p>It runs once, in addition to its schedule, also while it is paused.</p>}
        done={`${name} was asked to run.`}
        act={() => call("runJob", { params })}
      />{" "}
      {pausedAt !== undefined && (
        <Action
          operation="resumeJob"
          label="Resume"
          of={name}
          explains={<p>Its next slot is the first one from now on.</p>}
          done={`${name} has slots again.`}
          act={() => call("resumeJob", { params })}
        />
      )}
      {pausedAt === undefined && mayPause(item) && (
        <Action
          operation="pauseJob"
          label="Pause"
          of={name}
          explains={<p>It has no slots until it is resumed. What is under way ends as it does.</p>}
          done={`${name} is paused.`}
          act={() => call("pauseJob", { params })}
        />
      )}
    </>
  );
}
