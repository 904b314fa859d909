import { useState } from "preact/hooks";
import { answerText } from "../answer-text.ts";
import type { AnswerBody } from "../api.ts";
import { chosen, reasonChoices } from "../filters.ts";
import { useResource } from "../resource.ts";
import { linkTo } from "../router.ts";
import { Section, Time } from "../ui/bits.tsx";
import { Choice, Field } from "../ui/find.tsx";
import { Together } from "../ui/loaded.tsx";
import { PagedList } from "../ui/paged-list.tsx";
import { Table } from "../ui/table.tsx";
import { Causes } from "./causes.tsx";
import { Replay } from "./replay.tsx";

type Filter = { reason?: (typeof reasonChoices)[number]; to?: string };
type Shown = { reason?: string; to?: string; cursor?: string | undefined };
type Show = (changes: Shown) => void;

export function DeadLettersPage({ query }: { query: URLSearchParams }) {
  const cursor = query.get("cursor") ?? undefined;
  const reason = chosen(query, "reason", reasonChoices);
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
        <PagedList reading={letters} cursor={cursor} onMove={(next) => show({ cursor: next })}>
          {({ items }) => (
            <DeadLetters items={items} query={query} isFiltered={Object.keys(filter).length > 0} />
          )}
        </PagedList>
      </Section>
      <Causes filter={filter} />
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
      <Field label="Recipient" type="search" value={to} onInput={setTo} />
      <Choice
        label="Reason"
        value={filter.reason}
        values={reasonChoices}
        onChoose={(reason) => show({ reason })}
      />
      <button type="submit">Find</button>
    </form>
  );
}

type DeadLetter = AnswerBody<"listDeadLetters">["items"][number];

function DeadLetters({
  items,
  query,
  isFiltered,
}: {
  items: DeadLetter[];
  query: URLSearchParams;
  isFiltered: boolean;
}) {
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
            <a href={linkTo("dead-letters", id, Object.fromEntries(query))}>
              {to ?? `${kind} message`}
            </a>
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
