import { useResource } from "../resource.ts";
import { Section, State, Time } from "../ui/bits.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Table } from "../ui/table.tsx";

export function AlertsPage() {
  const alerts = useResource("listAlerts");
  return (
    <Loaded reading={alerts} lines={8}>
      {({ firing, notices }) => (
        <>
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
                  cell: ({ summary }) => <State tone="bad">{summary}</State>,
                },
                { head: "Since", cell: ({ since }) => <Time at={since} /> },
                { head: "Last notice", cell: ({ firedAt }) => <Time at={firedAt} /> },
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
                  head: "By email",
                  cell: ({ emailAt }) => (emailAt === undefined ? "–" : <Time at={emailAt} />),
                },
                {
                  head: "By webhook",
                  cell: ({ webhookAt }) =>
                    webhookAt === undefined ? "–" : <Time at={webhookAt} />,
                },
              ]}
            />
          </Section>
        </>
      )}
    </Loaded>
  );
}
