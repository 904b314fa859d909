import { useState } from "preact/hooks";
import type { BodyOf, Health } from "../api.ts";
import { Chart } from "../charts/chart.tsx";
import { numberText, spanText } from "../format.ts";
import { useHealth } from "../health.ts";
import { useResource } from "../resource.ts";
import { linkTo } from "../router.ts";
import { perStep, useTelemetry, type Range } from "../telemetry.ts";
import { Facts, Section, Time } from "../ui/bits.tsx";
import { EmailState } from "../ui/email-state.tsx";
import { Loaded, Together } from "../ui/loaded.tsx";
import { Paging } from "../ui/paging.tsx";
import { RangeChoice } from "../ui/range.tsx";
import { Table } from "../ui/table.tsx";

export function EmailsPage({ query }: { query: URLSearchParams }) {
  const health = useHealth();
  const [range, setRange] = useState<Range>("hour");
  const telemetry = useTelemetry(range);
  return (
    <Together readings={[health, telemetry]}>
      <Section title="Now">
        <Loaded reading={health} lines={3}>
          {({ checks }) =>
            "email" in checks ? (
              <Backlog email={checks.email} />
            ) : (
              <p>Not known: the database does not answer.</p>
            )
          }
        </Loaded>
      </Section>
      <Section title="Over time" aside={<RangeChoice range={range} onChoose={setRange} />}>
        <Loaded reading={telemetry} lines={6}>
          {({ from, stepSeconds, series }) => (
            <div class="charts">
              <Chart
                title={`Emails ${perStep(stepSeconds)}`}
                from={from}
                stepSeconds={stepSeconds}
                lines={[
                  { label: "accepted", values: series.emailsAccepted, color: "b" },
                  { label: "sent", values: series.emailsSent, color: "a" },
                ]}
              />
              <Chart
                title={`Attempts ${perStep(stepSeconds)}`}
                from={from}
                stepSeconds={stepSeconds}
                lines={[
                  { label: "attempts", values: series.emailAttempts, color: "a" },
                  { label: "emails that died", values: series.emailsDead, color: "bad" },
                ]}
              />
            </div>
          )}
        </Loaded>
      </Section>
      <Search query={query} />
    </Together>
  );
}

type Backlog = Extract<Health["checks"], { email: unknown }>["email"];

function Backlog({ email }: { email: Backlog }) {
  return (
    <Facts
      facts={[
        [
          "Oldest due for",
          email.due === 0 ? "–" : spanText(email.oldestDueSeconds * 1_000),
          email.oldestDueSeconds > 300 ? "bad" : "idle",
        ],
        ["Due", numberText(email.due), "idle"],
        ["Queued", numberText(email.queued), "idle"],
        ["Scheduled", numberText(email.scheduled), "idle"],
        ["In hand-over", numberText(email.inFlight), "idle"],
        ["Pinned", numberText(email.pinned), email.pinned > 0 ? "warn" : "idle"],
        [
          "Unknown",
          <a href={linkTo("email", null, { status: "unknown" })}>{numberText(email.unknown)}</a>,
          email.unknown > 0 ? "warn" : "idle",
        ],
        [
          "Dead letters",
          <a href={linkTo("dead-letters")}>{numberText(email.dead)}</a>,
          email.dead > 0 ? "warn" : "idle",
        ],
      ]}
    />
  );
}

const statuses = ["unknown", "pinned", "dead"] as const;

type Filter = { to: string | undefined; status: (typeof statuses)[number] | undefined };

function Search({ query }: { query: URLSearchParams }) {
  const cursor = query.get("cursor") ?? undefined;
  const to = query.get("to") ?? undefined;
  const status = statuses.find((one) => one === query.get("status"));
  const emails = useResource("listEmails", {
    query: {
      limit: "25",
      ...(status !== undefined && { status }),
      ...(to !== undefined && { to }),
      ...(cursor !== undefined && { cursor }),
    },
  });
  return (
    <Section title="Find">
      <SearchForm to={to} status={status} />
      <Loaded reading={emails} lines={8}>
        {({ items, nextCursor }) => (
          <>
            <Emails items={items} isFiltered={to !== undefined || status !== undefined} />
            <Paging
              cursor={cursor}
              next={nextCursor}
              onMove={(next) =>
                (location.hash = linkTo("email", null, { to, status, cursor: next }))
              }
            />
          </>
        )}
      </Loaded>
    </Section>
  );
}

function SearchForm({ to, status }: Filter) {
  const [text, setText] = useState(to ?? "");
  const submit = (event: Event): void => {
    event.preventDefault();
    const wanted = text.trim();
    // An id has no @; everything else is a recipient.
    location.hash =
      wanted === "" || wanted.includes("@")
        ? linkTo("email", null, { to: wanted, status })
        : linkTo("email", wanted);
  };
  return (
    <form class="form" onSubmit={submit} role="search">
      <label>
        Recipient or id of an email
        <input
          type="search"
          value={text}
          spellcheck={false}
          autocomplete="off"
          onInput={({ currentTarget }) => setText(currentTarget.value)}
        />
      </label>
      <label>
        Status
        <select
          value={status ?? ""}
          onChange={({ currentTarget }) =>
            (location.hash = linkTo("email", null, { to, status: currentTarget.value }))
          }
        >
          <option value="">any</option>
          {statuses.map((one) => (
            <option key={one} value={one}>
              {one}
            </option>
          ))}
        </select>
      </label>
      <button type="submit">Find</button>
    </form>
  );
}

type Item = BodyOf<"listEmails">["items"][number];

function Emails({ items, isFiltered }: { items: Item[]; isFiltered: boolean }) {
  return (
    <Table
      caption="Emails, newest first"
      rows={items}
      keyOf={({ id }) => id}
      empty={isFiltered ? "No email matches." : "No email was accepted yet."}
      columns={[
        { head: "Accepted", cell: ({ createdAt }) => <Time at={createdAt} /> },
        { head: "Status", cell: ({ status }) => <EmailState status={status} /> },
        { head: "To", cell: ({ id, to }) => <a href={linkTo("email", id)}>{to}</a> },
        { head: "Subject", kind: "wide", cell: ({ subject }) => subject },
        { head: "Attempts", kind: "number", cell: ({ attempts }) => attempts },
      ]}
    />
  );
}
