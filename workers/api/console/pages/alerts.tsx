import type { AnswerBody } from "../api.ts";
import { useResource } from "../resource.ts";
import { call } from "../session.ts";
import { Section, State, Time } from "../ui/bits.tsx";
import { NoChannel, NotifiedBy } from "../ui/channels.tsx";
import { Action } from "../ui/confirm.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Table } from "../ui/table.tsx";
import { Silences } from "./silences.tsx";

export function AlertsPage() {
  const alerts = useResource("listAlerts");
  return (
    <Loaded reading={alerts} lines={8}>
      {({ firing, notices, channels }) => (
        <>
          <NoChannel channels={channels} />
          <Section title="Firing">
            <Table
              caption="Firing alerts"
              rows={firing}
              keyOf={({ key }) => key}
              empty={<State tone="good">No alert is firing.</State>}
              columns={[
                {
                  head: "Alert",
                  kind: "wide",
                  cell: (alert) => <Firing alert={alert} />,
                },
                { head: "Severity", cell: ({ severity }) => severity },
                { head: "Since", cell: ({ since }) => <Time at={since} /> },
                {
                  head: "Notified",
                  cell: (alert) => <NotifiedBy notice={alert} channels={channels} />,
                },
                { head: "Act", kind: "actions", cell: (alert) => <Acknowledge alert={alert} /> },
              ]}
            />
          </Section>
          <Silences />
          <Section title="Notices">
            <Table
              caption="Notices, newest first"
              rows={notices}
              keyOf={({ id }) => id}
              empty="There are no recent notices."
              columns={[
                { head: "When", cell: ({ at }) => <Time at={at} /> },
                {
                  head: "Kind",
                  cell: ({ kind }) => (
                    <State tone={kind === "recovered" ? "good" : "bad"}>{kind}</State>
                  ),
                },
                { head: "What", kind: "wide", cell: ({ summary }) => summary },
                {
                  head: "Notified",
                  cell: (notice) =>
                    notice.isSilenced ? (
                      <State tone="idle">silenced</State>
                    ) : (
                      <NotifiedBy notice={notice} channels={channels} />
                    ),
                },
              ]}
            />
          </Section>
        </>
      )}
    </Loaded>
  );
}

type FiringAlert = AnswerBody<"listAlerts">["firing"][number];

function Acknowledge({ alert: { key, acknowledgedAt } }: { alert: FiringAlert }) {
  return acknowledgedAt === undefined ? (
    <Action
      label="Acknowledge"
      operation="acknowledgeAlert"
      of={key}
      explains={<p>Until it is over, only news and its recovery are notified.</p>}
      done="Acknowledged."
      act={() => call("acknowledgeAlert", { params: { key } })}
    />
  ) : (
    <Action
      label="Withdraw"
      operation="unacknowledgeAlert"
      of={key}
      explains={<p>The alert is notified daily again.</p>}
      done="The acknowledgement is withdrawn."
      act={() => call("unacknowledgeAlert", { params: { key } })}
    />
  );
}

function Firing({
  alert: { summary, clearSince, flappingSince, acknowledgedAt, acknowledgedBy, silencedUntil },
}: {
  alert: FiringAlert;
}) {
  return (
    <>
      <State tone={clearSince === undefined ? "bad" : "warn"}>{summary}</State>
      {acknowledgedAt !== undefined && (
        <p>
          Acknowledged by {acknowledgedBy}, <Time at={acknowledgedAt} />.
        </p>
      )}
      {silencedUntil !== undefined && (
        <p>
          Silenced until <Time at={silencedUntil} />.
        </p>
      )}
      {flappingSince !== undefined && (
        <p>
          It flaps, since <Time at={flappingSince} />.
        </p>
      )}
      {clearSince !== undefined && (
        <p>
          It no longer holds, since <Time at={clearSince} />. The alert is over once that lasts.
        </p>
      )}
    </>
  );
}
