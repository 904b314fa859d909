import { useResource } from "../resource.ts";
import { linkTo } from "../router.ts";
import { Time } from "../ui/bits.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Paging } from "../ui/paging.tsx";
import { Table } from "../ui/table.tsx";

export function AuditPage({ query }: { query: URLSearchParams }) {
  const cursor = query.get("cursor") ?? undefined;
  const actor = query.get("actor") ?? undefined;
  const log = useResource("listAudit", {
    query: {
      limit: "50",
      ...(actor !== undefined && { actor }),
      ...(cursor !== undefined && { cursor }),
    },
  });
  return (
    <>
      <p class="lead">
        Every write by an operator, newest first.{" "}
        {actor !== undefined && (
          <>
            Only writes of {actor}. <a href={linkTo("audit")}>Show all</a>
          </>
        )}
      </p>
      <Loaded reading={log} lines={10}>
        {({ items, nextCursor }) => (
          <>
            <Table
              caption="Audit log, newest first"
              rows={items}
              keyOf={({ id }) => id}
              empty="There are no writes yet."
              columns={[
                { head: "When", cell: ({ at }) => <Time at={at} /> },
                {
                  head: "Who",
                  cell: (entry) => (
                    <a href={linkTo("audit", null, { actor: entry.actor })}>{entry.actor}</a>
                  ),
                },
                { head: "What", cell: ({ operation }) => operation },
                { head: "Path", kind: "wide", cell: ({ path }) => <code>{path}</code> },
                { head: "Answer", kind: "number", cell: ({ status }) => status ?? "none" },
                { head: "Request", cell: ({ requestId }) => <code>{requestId.slice(0, 8)}</code> },
              ]}
            />
            <Paging
              cursor={cursor}
              next={nextCursor}
              onMove={(next) => (location.hash = linkTo("audit", null, { actor, cursor: next }))}
            />
          </>
        )}
      </Loaded>
    </>
  );
}
