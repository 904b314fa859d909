import { useState } from "preact/hooks";
import { useResource } from "../resource.ts";
import { linkTo } from "../router.ts";
import { Section, Time } from "../ui/bits.tsx";
import { Loaded, Together } from "../ui/loaded.tsx";
import { Paging } from "../ui/paging.tsx";
import { Table } from "../ui/table.tsx";
import { said } from "../ui/timeline.tsx";
import { Replay } from "./replay.tsx";

const reasons = ["exhausted", "permanent", "operator", "suppressed"] as const;

export function DeadLettersPage({ query }: { query: URLSearchParams }) {
  const cursor = query.get("cursor") ?? undefined;
  const [to, setTo] = useState(query.get("to") ?? "");
  const reason = reasons.find((one) => one === query.get("reason"));
  const filter = {
    ...(reason !== undefined && { reason }),
    ...(query.get("to") !== null && { to: query.get("to") ?? "" }),
  };
  const letters = useResource("listDeadLetters", {
    query: { limit: "25", ...filter, ...(cursor !== undefined && { cursor }) },
  });
  const show = (changes: { reason?: string; to?: string; cursor?: string | undefined }): void => {
    location.hash = linkTo("dead-letters", null, { ...filter, ...changes });
  };
  return (
    <Together readings={[letters]}>
      <p class="lead">
        Mails that nobody tries again by themselves, and messages that nobody understood. Each waits
        here until somebody replays or discards it, or it expires.
      </p>
      <Section title="Find">
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
              value={reason ?? ""}
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
        <Loaded reading={letters} lines={8}>
          {({ items, nextCursor }) => (
            <>
              <Table
                caption="Dead letters, oldest first"
                rows={items}
                keyOf={({ id }) => id}
                empty={
                  Object.keys(filter).length === 0
                    ? "There is no dead letter."
                    : "No dead letter is like that."
                }
                columns={[
                  { head: "Died", cell: ({ buriedAt }) => <Time at={buriedAt} /> },
                  {
                    head: "What",
                    cell: ({ id, to: recipient, kind }) => (
                      <a href={linkTo("dead-letters", id)}>{recipient ?? `${kind} message`}</a>
                    ),
                  },
                  { head: "Reason", cell: (letter) => letter.reason },
                  {
                    head: "Last said",
                    kind: "wide",
                    cell: ({ lastError }) => (lastError === undefined ? "" : said(lastError)),
                  },
                  { head: "Attempts", kind: "number", cell: ({ attempts }) => attempts },
                  { head: "Expires", cell: ({ expiresAt }) => <Time at={expiresAt} /> },
                ]}
              />
              <Paging cursor={cursor} next={nextCursor} onMove={(next) => show({ cursor: next })} />
            </>
          )}
        </Loaded>
      </Section>
      <Replay key={JSON.stringify(filter)} filter={filter} />
    </Together>
  );
}
