import { useState } from "preact/hooks";
import type { BodyOf } from "../api.ts";
import { useResource } from "../resource.ts";
import { linkTo } from "../router.ts";
import { Section, Time } from "../ui/bits.tsx";
import { Loaded, Together } from "../ui/loaded.tsx";
import { Paging } from "../ui/paging.tsx";
import { Table } from "../ui/table.tsx";
import { answerText } from "../ui/timeline.tsx";
import { Replay } from "./replay.tsx";

const reasons = ["exhausted", "permanent", "operator", "suppressed"] as const;

type Filter = { reason?: (typeof reasons)[number]; to?: string };
type Shown = { reason?: string; to?: string; cursor?: string | undefined };
type Show = (changes: Shown) => void;

export function DeadLettersPage({ query }: { query: URLSearchParams }) {
  const cursor = query.get("cursor") ?? undefined;
  const reason = reasons.find((one) => one === query.get("reason"));
  const filter: Filter = {
    ...(reason !== undefined && { reason }),
    ...(query.get("to") !== null && { to: query.get("to") ?? "" }),
  };
  const letters = useResource("listDeadLetters", {
    query: { limit: "25", ...filter, ...(cursor !== undefined && { cursor }) },
  });
  const show: Show = (changes) => {
    location.hash = linkTo("dead-letters", null, { ...filter, ...changes });
  };
  return (
    <Together readings={[letters]}>
      <p class="lead">
        Emails that are not tried again, and messages that no schema accepts. Each stays here until
        an operator replays or discards it, or it expires.
      </p>
      <Section title="Find">
        <Search filter={filter} show={show} />
        <Loaded reading={letters} lines={8}>
          {({ items, nextCursor }) => (
            <>
              <DeadLetters items={items} isFiltered={Object.keys(filter).length > 0} />
              <Paging cursor={cursor} next={nextCursor} onMove={(next) => show({ cursor: next })} />
            </>
          )}
        </Loaded>
      </Section>
      <Replay key={JSON.stringify(filter)} filter={filter} />
    </Together>
  );
}

function Search({ filter, show }: { filter: Filter; show: Show }) {
  const [to, setTo] = useState(filter.to ?? "");
  return (
    <form
      class="form"
      role="search"
      onSubmit={(event) => (event.preventDefault(), show({ to: to.trim() }))}
    >
      <label>
        Recipient
        <input
          type="search"
          value={to}
          autocomplete="off"
          spellcheck={false}
          onInput={({ currentTarget }) => setTo(currentTarget.value)}
        />
      </label>
      <label>
        Reason
        <select
          value={filter.reason ?? ""}
          onChange={({ currentTarget }) => show({ reason: currentTarget.value })}
        >
          <option value="">any</option>
          {reasons.map((one) => (
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

type DeadLetter = BodyOf<"listDeadLetters">["items"][number];

function DeadLetters({ items, isFiltered }: { items: DeadLetter[]; isFiltered: boolean }) {
  return (
    <Table
      caption="Dead letters, oldest first"
      rows={items}
      keyOf={({ id }) => id}
      empty={isFiltered ? "No dead letter matches." : "There is no dead letter."}
      columns={[
        { head: "Died", cell: ({ buriedAt }) => <Time at={buriedAt} /> },
        {
          head: "What",
          cell: ({ id, to, kind }) => (
            <a href={linkTo("dead-letters", id)}>{to ?? `${kind} message`}</a>
          ),
        },
        { head: "Reason", cell: ({ reason }) => reason },
        {
          head: "Last error",
          kind: "wide",
          cell: ({ lastError }) => (lastError === undefined ? "" : answerText(lastError)),
        },
        { head: "Attempts", kind: "number", cell: ({ attempts }) => attempts },
        { head: "Expires", cell: ({ expiresAt }) => <Time at={expiresAt} /> },
      ]}
    />
  );
}
