import { useResource } from "../resource.ts";
import { linkTo } from "../router.ts";
import { Facts, Section, Time } from "../ui/bits.tsx";
import { Keys } from "../ui/keys.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Readable } from "../ui/readable.tsx";
import { Table } from "../ui/table.tsx";

export function TeamPage({ id }: { id: string }) {
  return (
    <Readable operation="getTeam">
      <OneTeam id={id} />
    </Readable>
  );
}

function OneTeam({ id }: { id: string }) {
  const params = { teamId: id };
  const reading = useResource("getTeam", { params });
  if (reading.failure?.status === 404) {
    return (
      <p>
        There is no team <code>{id}</code>. Go to <a href={linkTo("users")}>the users</a>.
      </p>
    );
  }
  return (
    <Loaded reading={reading} lines={8}>
      {({ team, members }) => (
        <>
          <p class="lead">{team.name}</p>
          <Facts
            facts={[
              ["Id", <code>{id}</code>],
              ["Created", <Time at={team.createdAt} />],
              ["Emails", <a href={linkTo("email", null, { tenant: `team:${id}` })}>find</a>],
            ]}
          />
          <Section title="Members">
            <Table
              caption="Members of the team"
              rows={members}
              keyOf={({ userId }) => userId}
              empty="The team has no member."
              columns={[
                {
                  head: "User",
                  kind: "wide",
                  cell: ({ userId }) => <a href={linkTo("users", userId)}>{userId}</a>,
                },
                {
                  head: "Role",
                  cell: ({ role, confirmed }) => (confirmed ? role : `${role}, not confirmed`),
                },
                { head: "Since", cell: ({ joinedAt }) => <Time at={joinedAt} /> },
              ]}
            />
          </Section>
          <Section title="Keys">
            <Keys kind="Team" params={params} />
          </Section>
        </>
      )}
    </Loaded>
  );
}
