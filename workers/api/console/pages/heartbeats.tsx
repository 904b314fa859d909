import { useState } from "preact/hooks";
import { heartbeatState, scheduleIn, scheduleText } from "../heartbeat-state.ts";
import { useResource } from "../resource.ts";
import { linkTo } from "../router.ts";
import { call } from "../session.ts";
import { Section, State, Time } from "../ui/bits.tsx";
import { Action } from "../ui/confirm.tsx";
import { Field } from "../ui/find.tsx";
import { Together } from "../ui/loaded.tsx";
import { PagedList } from "../ui/paged-list.tsx";
import { Table } from "../ui/table.tsx";

export function HeartbeatsPage() {
  const [cursor, setCursor] = useState<string | undefined>(undefined);
  const list = useResource("listHeartbeats", {
    query: { limit: "25", ...(cursor !== undefined && { cursor }) },
  });
  return (
    <Together readings={[list]}>
      <p class="lead">
        Jobs that run elsewhere and ping Luna. If one is late or fails, its owner is notified. The
        operator is notified even while the database or the scheduler is down.
      </p>
      <PagedList reading={list} cursor={cursor} onMove={setCursor}>
        {({ items }) => (
          <Table
            caption="Heartbeats, newest first"
            rows={items}
            keyOf={({ id }) => id}
            empty="There is no heartbeat."
            columns={[
              {
                head: "Heartbeat",
                kind: "wide",
                cell: ({ id, name }) => <a href={linkTo("heartbeats", id)}>{name}</a>,
              },
              { head: "State", cell: (one) => <State {...heartbeatShown(one)} /> },
              { head: "Schedule", cell: ({ schedule }) => scheduleText(schedule) },
              {
                head: "Last ping",
                cell: ({ lastPingAt }) =>
                  lastPingAt === undefined ? "none" : <Time at={lastPingAt} />,
              },
              { head: "Tenant", cell: ({ tenant }) => tenant },
            ]}
          />
        )}
      </PagedList>
      <Add />
    </Together>
  );
}

/** As the props of a state. */
export function heartbeatShown(one: Parameters<typeof heartbeatState>[0]) {
  const { tone, text } = heartbeatState(one);
  return { tone, children: text };
}

function Add() {
  const [name, setName] = useState("");
  const [schedule, setSchedule] = useState("1h");
  const [timeZone, setTimeZone] = useState("");
  const [grace, setGrace] = useState("300");
  const given = name.trim();
  const body = {
    name: given,
    schedule: scheduleIn(schedule, timeZone),
    graceSeconds: Number(grace),
  };
  return (
    <Section title="Add a heartbeat of the operator">
      <div class="form">
        <Field label="Name" value={name} onInput={setName} />
        <Field label="Every (1h) or cron (0 3 * * *)" value={schedule} onInput={setSchedule} />
        <Field label="Time zone of cron (default UTC)" value={timeZone} onInput={setTimeZone} />
        <Field label="Grace in seconds" value={grace} onInput={setGrace} />
        <Action
          label="Add"
          operation="createHeartbeat"
          of={given}
          lacks={given === "" ? "Enter a name." : undefined}
          explains={<p>It expects nothing until its first ping. Its page has the URL to ping.</p>}
          done={`${given} is watched.`}
          act={() => call("createHeartbeat", { body })}
        />
      </div>
    </Section>
  );
}
