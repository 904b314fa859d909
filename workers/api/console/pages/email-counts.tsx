import { Chart, valueLine } from "../charts/chart.tsx";
import { useNow } from "../clock.ts";
import {
  CHART_DAYS,
  countedAt,
  figures,
  lastDays,
  type DaysOfCounts,
  type EmailCount,
} from "../email-counts.ts";
import { chosen, countChoices } from "../filters.ts";
import { numberText } from "../format.ts";
import { useResource } from "../resource.ts";
import { linkTo } from "../router.ts";
import { Section, Time } from "../ui/bits.tsx";
import { Chips } from "../ui/find.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Table } from "../ui/table.tsx";

const COUNTS_EVERY_MS = 60_000;
const DAY_SECONDS = 86_400;

/** How many emails were accepted on each day, and what has become of them. */
export function CountsByDay({ query }: { query: URLSearchParams }) {
  const tenant = query.get("tenant") ?? undefined;
  const own = tenant === undefined ? {} : { tenant };
  const by = chosen(query, "counts", countChoices) ?? "tag";
  const request = { query: { limit: String(CHART_DAYS), ...own } };
  const days = useResource("listEmailCounts", request, COUNTS_EVERY_MS);
  const day = days.body?.items.at(0)?.day;
  return (
    <Section title="By day">
      <Loaded reading={days} lines={6}>
        {({ items }) => (
          <>
            <Days items={items} />
            <As items={items} tenant={tenant} />
          </>
        )}
      </Loaded>
      {day !== undefined && (
        <>
          <Chips
            label="Counted by"
            value={by}
            values={countChoices}
            hrefOf={(one) =>
              linkTo("email", null, { ...Object.fromEntries(query), counts: one ?? "tag" })
            }
          />
          <Names key={by} by={by} day={day} own={own} />
        </>
      )}
    </Section>
  );
}

function Days({ items }: { items: EmailCount[] }) {
  const days = lastDays(items, useNow());
  const line = (label: string, color: "a" | "b" | "c" | "bad", of: (count: EmailCount) => number) =>
    valueLine(label, color, figures(days, of));
  return (
    <div class="charts">
      <DayChart
        title="Accepted per day (UTC)"
        days={days}
        lines={[
          line("accepted", "b", ({ accepted }) => accepted),
          line("delivered", "a", ({ delivered }) => delivered),
        ]}
      />
      <DayChart
        title="What went wrong per day (UTC)"
        days={days}
        lines={[
          line("bounced", "b", ({ bounced }) => bounced),
          line("dead", "bad", ({ dead }) => dead),
          line("complained", "c", ({ complained }) => complained),
        ]}
      />
    </div>
  );
}

function DayChart({
  title,
  days,
  lines,
}: {
  title: string;
  days: DaysOfCounts;
  lines: ReturnType<typeof valueLine>[];
}) {
  return <Chart title={title} from={days.from} stepSeconds={DAY_SECONDS} lines={lines} />;
}

function As({ items, tenant }: { items: EmailCount[]; tenant: string | undefined }) {
  const at = countedAt(items);
  return (
    <p class="since">
      {tenant === undefined ? "Of all tenants" : `Of ${tenant}`}, by the day on which an email was
      accepted.{" "}
      {at === null ? (
        "Nothing is counted yet."
      ) : (
        <>
          Counted <Time at={at} />. Each day is counted again until seven days later.
        </>
      )}
    </p>
  );
}

function Names({
  by,
  day,
  own,
}: {
  by: (typeof countChoices)[number];
  day: string;
  own: { tenant?: string };
}) {
  const request = { query: { by, day, limit: "100", ...own } };
  const names = useResource("listEmailCounts", request, COUNTS_EVERY_MS);
  return (
    <Loaded reading={names} lines={3}>
      {({ items }) => (
        <Table
          caption={`Emails of ${day} by ${by}`}
          rows={items.toSorted((a, b) => b.accepted - a.accepted)}
          keyOf={({ name }) => name ?? ""}
          empty={`No email of ${day} has a ${by}.`}
          columns={[
            { head: `${by} on ${day}`, kind: "wide", cell: ({ name }) => name ?? "all others" },
            { head: "Accepted", kind: "number", cell: (one) => numberText(one.accepted) },
            { head: "Waiting", kind: "number", cell: (one) => numberText(one.waiting) },
            { head: "Sent", kind: "number", cell: (one) => numberText(one.sent) },
            { head: "Delivered", kind: "number", cell: (one) => numberText(one.delivered) },
            { head: "Bounced", kind: "number", cell: (one) => numberText(one.bounced) },
            { head: "Dead", kind: "number", cell: (one) => numberText(one.dead) },
          ]}
        />
      )}
    </Loaded>
  );
}
