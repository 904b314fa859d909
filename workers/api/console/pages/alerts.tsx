import type { AnswerBody } from "../api.ts";
import { useResource } from "../resource.ts";
import { Section, State, Time } from "../ui/bits.tsx";
import { NoChannel, NotifiedBy } from "../ui/channels.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Table } from "../ui/table.tsx";

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
                { head: "Since", cell: ({ since }) => <Time at={since} /> },
                {
                  head: "Notified",
                  cell: (alert) => <NotifiedBy notice={alert} channels={channels} />,
                },
              ]}
            />
          </Section>
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
                  cell: (notice) => <NotifiedBy notice={notice} channels={channels} />,
                },
              ]}
            />
          </Section>
        </>
      )}
    </Loaded>
  );
}

function Firing({
  alert: { summary, clearSince, flappingSince },
}: {
  alert: AnswerBody<"listAlerts">["firing"][number];
}) {
  return (
    <>
      <State tone={clearSince === undefined ? "bad" : "warn"}>{summary}</State>
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
