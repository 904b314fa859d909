import { useState } from "preact/hooks";
import type { ShownUser } from "../key-state.ts";
import { useResource } from "../resource.ts";
import { linkTo } from "../router.ts";
import { call } from "../session.ts";
import { Facts, Raw, Section, State, Time } from "../ui/bits.tsx";
import { Action } from "../ui/confirm.tsx";
import { Keys } from "../ui/keys.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Readable } from "../ui/readable.tsx";
import { Secret } from "../ui/secret.tsx";
import { Table } from "../ui/table.tsx";
import { timeFact } from "../ui/time-fact.tsx";
import { userShown } from "./users.tsx";

export function UserPage({ id }: { id: string }) {
  return (
    <Readable operation="getUser">
      <OneUser id={id} />
    </Readable>
  );
}

function OneUser({ id }: { id: string }) {
  const params = { userId: id };
  const reading = useResource("getUser", { params });
  if (reading.failure?.status === 404) {
    return (
      <p>
        There is no user <code>{id}</code>. Go to <a href={linkTo("users")}>the users</a>.
      </p>
    );
  }
  return (
    <Loaded reading={reading} lines={8}>
      {({ user }) => (
        <>
          <Details user={user} />
          <Section title="Teams">
            <Memberships id={id} />
          </Section>
          <Section title="First key">
            <FirstKey user={user} />
          </Section>
          <Section title="Further keys">
            <Keys kind="User" params={params} />
          </Section>
        </>
      )}
    </Loaded>
  );
}

function Details({ user }: { user: ShownUser }) {
  const { userId, email, tier, scopes, suspended, metadata } = user;
  return (
    <>
      <p class="lead">
        {userId}, {email}
      </p>
      <Facts
        facts={[
          ["State", <State {...userShown(user)} />],
          ...timeFact("Suspended", suspended?.at),
          ["Tier", tier],
          ["Scopes", scopes.length === 0 ? "none" : scopes.join(", ")],
          ["Created", <Time at={user.createdAt} />],
          ["Changed", <Time at={user.updatedAt} />],
        ]}
      />
      {metadata !== undefined && (
        <Section title="Metadata">
          <Raw value={metadata} />
        </Section>
      )}
      <p>
        <a href={linkTo("email", null, { tenant: `user:${userId}` })}>Emails of this user</a>
      </p>
      <Suspension user={user} />
    </>
  );
}

function Suspension({ user: { userId, suspended } }: { user: ShownUser }) {
  const params = { userId };
  return (
    <div class="buttons">
      {suspended === undefined ? (
        <Action
          label="Suspend"
          operation="suspendUser"
          tone="danger"
          explains={
            <p>Requests with a key of this user are refused, and the emails of the user wait.</p>
          }
          reason="required"
          done={`${userId} is suspended.`}
          act={(reason) => call("suspendUser", { params, body: { reason } })}
        />
      ) : (
        <Action
          label="Resume"
          operation="resumeUser"
          explains={<p>The keys of this user work, and the emails of the user leave.</p>}
          done={`${userId} is resumed.`}
          act={() => call("resumeUser", { params })}
        />
      )}
    </div>
  );
}

/** With all that the user may do. */
function FirstKey({ user: { userId, apiKeyPrefix } }: { user: ShownUser }) {
  const [secret, show] = useState<string | null>(null);
  const params = { userId };
  const replace = async () => {
    const outcome = await call("rotateApiKey", { params });
    if (outcome.ok) show(outcome.body.apiKey);
    return outcome;
  };
  return (
    <>
      {secret !== null && <Secret value={secret} onHide={() => show(null)} />}
      <p>{apiKeyPrefix === null ? "It is revoked." : <code>{apiKeyPrefix}…</code>}</p>
      <div class="buttons">
        <Action
          label="Replace"
          of="the first key"
          operation="rotateApiKey"
          tone="danger"
          explains={<p>The former one is refused from now on. The new one is shown once.</p>}
          done="The first key is replaced."
          act={replace}
        />
        {apiKeyPrefix !== null && (
          <Action
            label="Revoke"
            of="the first key"
            operation="revokeApiKey"
            tone="danger"
            explains={<p>Requests with it are refused from now on.</p>}
            done="The first key is revoked."
            act={() => call("revokeApiKey", { params })}
          />
        )}
      </div>
    </>
  );
}

function Memberships({ id }: { id: string }) {
  const reading = useResource("getTeams", { params: { userId: id } });
  return (
    <Loaded reading={reading}>
      {({ teams, pending }) => (
        <Table
          caption="Teams of the user"
          rows={[
            ...teams.map((one) => ({ ...one, at: one.joinedAt })),
            ...pending.map((one) => ({ ...one, at: one.addedAt, role: "not confirmed" })),
          ]}
          keyOf={({ teamId }) => teamId}
          empty="The user is in no team."
          columns={[
            {
              head: "Team",
              kind: "wide",
              cell: ({ teamId, name }) => <a href={linkTo("teams", teamId)}>{name}</a>,
            },
            { head: "Role", cell: ({ role }) => role },
            { head: "Since", cell: ({ at }) => <Time at={at} /> },
          ]}
        />
      )}
    </Loaded>
  );
}
