import { changesText } from "../format.ts";
import { useResource } from "../resource.ts";
import { linkTo } from "../router.ts";
import { Time } from "../ui/bits.tsx";
import { PagedList } from "../ui/paged-list.tsx";
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
        What operators wrote, tried to write and read about users, and what users did about the
        security of their accounts, newest first. Addresses are hashes.{" "}
        {actor !== undefined && (
          <>
            Only entries of {actor}. <a href={linkTo("audit")}>Show all</a>
          </>
        )}
      </p>
      <PagedList
        reading={log}
        cursor={cursor}
        onMove={(next) => (location.hash = linkTo("audit", null, { actor, cursor: next }))}
      >
        {({ items }) => (
          <Table
            caption="Audit log, newest first"
            rows={items}
            keyOf={({ id }) => id}
            empty="There are no entries yet."
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
              { head: "Changed", kind: "wide", cell: ({ changes }) => changesText(changes) },
              { head: "Answer", kind: "number", cell: ({ status }) => status ?? "none" },
              { head: "Request", cell: ({ requestId }) => <code>{requestId.slice(0, 8)}</code> },
            ]}
          />
        )}
      </PagedList>
    </>
  );
}
