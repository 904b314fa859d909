import { useState } from "preact/hooks";
import { durationText } from "../format.ts";
import {
  pingState,
  scheduleText,
  type ShownHeartbeat,
  type ShownPing,
} from "../heartbeat-state.ts";
import { useResource } from "../resource.ts";
import { linkTo } from "../router.ts";
import { call } from "../session.ts";
import { Empty, Facts, Raw, Section, State, Time } from "../ui/bits.tsx";
import { Action } from "../ui/confirm.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { PagedList } from "../ui/paged-list.tsx";
import { timeFact } from "../ui/time-fact.tsx";
import { heartbeatShown } from "./heartbeats.tsx";

export function HeartbeatPage({ id }: { id: string }) {
  const heartbeat = useResource("getHeartbeat", { params: { heartbeatId: id } });
  if (heartbeat.failure?.status === 404) {
    return (
      <p>
        There is no heartbeat <code>{id}</code>. Go to{" "}
        <a href={linkTo("heartbeats")}>the heartbeats</a>.
      </p>
    );
  }
  return (
    <Loaded reading={heartbeat} lines={8}>
      {(body) => (
        <>
          <Details heartbeat={body} />
          <Pings id={id} />
        </>
      )}
    </Loaded>
  );
}

function Details({ heartbeat }: { heartbeat: ShownHeartbeat }) {
  const { name, tenant, schedule, graceSeconds, pingUrl, lastDurationMs, down } = heartbeat;
  const facts: Parameters<typeof Facts>[0]["facts"] = [
    ["State", <State {...heartbeatShown(heartbeat)} />],
    ["Schedule", scheduleText(schedule)],
    ["Grace", durationText(graceSeconds * 1_000)],
    ["Tenant", tenant],
    ...timeFact("Last ping", heartbeat.lastPingAt),
    ...timeFact("Running since", heartbeat.startedAt),
    ...timeFact("Down since", down?.since),
    ...timeFact("Down without a ping", heartbeat.downAt),
  ];
  if (lastDurationMs !== undefined) facts.push(["Last run took", durationText(lastDurationMs)]);
  return (
    <>
      <p class="lead">{name}</p>
      <Facts facts={facts} />
      {pingUrl !== undefined && (
        <p>
          The job pings <code class="secret">{pingUrl}</code>
        </p>
      )}
      <Actions heartbeat={heartbeat} />
    </>
  );
}

function Actions({ heartbeat: { id, name, status } }: { heartbeat: ShownHeartbeat }) {
  const params = { heartbeatId: id };
  return (
    <div class="buttons">
      {status === "paused" ? (
        <Action
          label="Resume"
          operation="resumeHeartbeat"
          explains={<p>Like a new one, it expects nothing until its next ping.</p>}
          done={`${name} is resumed.`}
          act={() => call("resumeHeartbeat", { params })}
        />
      ) : (
        <Action
          label="Pause"
          operation="pauseHeartbeat"
          explains={<p>It expects nothing until its next ping.</p>}
          done={`${name} is paused.`}
          act={() => call("pauseHeartbeat", { params })}
        />
      )}
      <Action
        label="Delete"
        operation="deleteHeartbeat"
        tone="danger"
        explains={<p>Its pings are deleted, and its URL answers 404.</p>}
        done={`${name} is deleted.`}
        act={() => call("deleteHeartbeat", { params })}
        after={() => (location.hash = linkTo("heartbeats"))}
      />
    </div>
  );
}

function Pings({ id }: { id: string }) {
  const [cursor, setCursor] = useState<string | undefined>(undefined);
  const list = useResource("heartbeatHistory", {
    params: { heartbeatId: id },
    query: { limit: "25", ...(cursor !== undefined && { cursor }) },
  });
  return (
    <Section title="Pings">
      <PagedList reading={list} cursor={cursor} onMove={setCursor}>
        {({ items }) => (
          <>
            {items.length === 0 && <Empty>No ping came yet.</Empty>}
            <ul class="executions">
              {items.map((ping) => (
                <li key={ping.n}>
                  <Ping ping={ping} />
                </li>
              ))}
            </ul>
          </>
        )}
      </PagedList>
    </Section>
  );
}

function Ping({ ping }: { ping: ShownPing }) {
  const { tone, text } = pingState(ping);
  const { n, at, method, durationMs, rid, body } = ping;
  return (
    <>
      <State tone={tone}>{text}</State> <Time at={at} />, number {n}, by {method}
      {durationMs !== undefined && `, after ${durationText(durationMs)}`}
      {rid !== undefined && (
        <>
          , run <code>{rid}</code>
        </>
      )}
      {body !== undefined && <Raw value={body} />}
    </>
  );
}
