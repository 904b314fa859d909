import { useState } from "preact/hooks";
import { userState } from "../key-state.ts";
import { useResource } from "../resource.ts";
import { linkTo } from "../router.ts";
import { Section, State, Time } from "../ui/bits.tsx";
import { Field } from "../ui/find.tsx";
import { Together } from "../ui/loaded.tsx";
import { PagedList } from "../ui/paged-list.tsx";
import { Readable } from "../ui/readable.tsx";
import { Table } from "../ui/table.tsx";

/** The API finds by one of them. */
type Filter = { id?: string | undefined; address?: string | undefined };

function show(query: Filter & { cursor?: string | undefined }): void {
  location.hash = linkTo("users", null, query);
}

export function UsersPage({ query }: { query: URLSearchParams }) {
  return (
    <Readable operation="listUsers">
      <Users query={query} />
    </Readable>
  );
}

function Users({ query }: { query: URLSearchParams }) {
  const [id, address, cursor] = ["id", "address", "cursor"].map(
    (name) => query.get(name) ?? undefined,
  );
  const filter = { id, address };
  const list = useResource("listUsers", {
    query: {
      limit: "25",
      ...(id !== undefined && { idPrefix: id }),
      ...(address !== undefined && { emailPrefix: address }),
      ...(cursor !== undefined && { cursor }),
    },
  });
  return (
    <Together readings={[list]}>
      <Section title="Find">
        <Search filter={filter} />
        <PagedList
          reading={list}
          cursor={cursor}
          onMove={(next) => show({ ...filter, cursor: next })}
        >
          {({ items }) => (
            <Table
              caption="Users"
              rows={items}
              keyOf={({ userId }) => userId}
              empty={
                id === undefined && address === undefined ? "There is no user." : "No user matches."
              }
              columns={[
                {
                  head: "User",
                  kind: "wide",
                  cell: ({ userId }) => <a href={linkTo("users", userId)}>{userId}</a>,
                },
                { head: "Address", kind: "wide", cell: ({ email }) => email },
                { head: "Tier", cell: ({ tier }) => tier },
                { head: "State", kind: "wide", cell: (user) => <State {...userShown(user)} /> },
                { head: "Since", cell: ({ createdAt }) => <Time at={createdAt} /> },
              ]}
            />
          )}
        </PagedList>
      </Section>
    </Together>
  );
}

/** As the props of a state. */
export function userShown(user: Parameters<typeof userState>[0]) {
  const { tone, text } = userState(user);
  return { tone, children: text };
}

function Search({ filter }: { filter: Filter }) {
  const [address, setAddress] = useState(filter.address ?? "");
  const [id, setId] = useState(filter.id ?? "");
  return (
    <form
      class="form"
      role="search"
      onSubmit={(event) => (
        event.preventDefault(),
        show({ address: address.trim(), id: id.trim() })
      )}
    >
      <Field
        type="search"
        label="Beginning of the address"
        value={address}
        onInput={(text) => (setAddress(text), setId(""))}
      />
      <Field
        type="search"
        label="or of the id"
        value={id}
        onInput={(text) => (setId(text), setAddress(""))}
      />
      <button type="submit">Find</button>
    </form>
  );
}
