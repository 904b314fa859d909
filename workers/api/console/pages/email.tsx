import { answerText, lastErrorText } from "../answer-text.ts";
import type { AnswerBody } from "../api.ts";
import { feedbackNote } from "../feedback-text.ts";
import { chosen, contentChoices } from "../filters.ts";
import { useResource } from "../resource.ts";
import { linkTo } from "../router.ts";
import { call } from "../session.ts";
import { Facts, Section, Time } from "../ui/bits.tsx";
import { Action } from "../ui/confirm.tsx";
import { EmailState, StateOfRecipient } from "../ui/email-state.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Table } from "../ui/table.tsx";
import { Timeline } from "../ui/timeline.tsx";
import { Content } from "./email-content.tsx";
import { ReplayOne } from "./replay-one.tsx";

type Email = AnswerBody<"getEmail">;

/** `query`: the search that led here, and which part of the content is shown. */
export function EmailPage({ id, query }: { id: string; query: URLSearchParams }) {
  const email = useResource("getEmail", { params: { id } }, 2_000);
  if (email.body === null && email.failure?.status === 404) {
    return (
      <p>
        There is no email <code>{id}</code>. <BackToSearch query={query} />
      </p>
    );
  }
  return (
    <Loaded reading={email} lines={8}>
      {(body) => (
        <>
          <p>
            <BackToSearch query={query} />
          </p>
          <Details email={body} query={query} />
        </>
      )}
    </Loaded>
  );
}

function BackToSearch({ query }: { query: URLSearchParams }) {
  const { show: _, ...search } = Object.fromEntries(query);
  return <a href={linkTo("email", null, search)}>Back to the emails</a>;
}

function Details({ email, query }: { email: Email; query: URLSearchParams }) {
  const note = feedbackNote(email);
  return (
    <>
      <p class="lead">
        <EmailState status={email.status} /> to {email.to}: {email.subject}
      </p>
      <Facts
        facts={[
          ["Accepted", <Time at={email.createdAt} />],
          ["From", email.from],
          [email.generation > 1 ? "Attempts since the replay" : "Attempts", email.attempts],
          ["Generation", email.generation],
          ["Category", email.category],
          ...(email.tags === undefined
            ? []
            : [["Tags", email.tags.join(", ")] as [string, preact.ComponentChildren]]),
          ...(email.replyTo === undefined
            ? []
            : [["Reply to", email.replyTo.join(", ")] as [string, preact.ComponentChildren]]),
          ...(email.dueAt === undefined
            ? []
            : [["Due", <Time at={email.dueAt} />] as [string, preact.ComponentChildren]]),
          ...(email.sentAt === undefined
            ? []
            : [["Sent", <Time at={email.sentAt} />] as [string, preact.ComponentChildren]]),
        ]}
      />
      {email.waiting !== undefined && (
        <p>
          {waitTexts[email.waiting.reason]}
          {email.waiting.since !== undefined && (
            <>
              {" "}
              It has waited since <Time at={email.waiting.since} />.
            </>
          )}
        </p>
      )}
      {note !== null && <p>{note}</p>}
      {email.lastError !== undefined && <p>{lastErrorText(email.lastError)}</p>}
      <Actions email={email} />
      <Recipients email={email} />
      <Content email={email} query={query} show={chosen(query, "show", contentChoices)} />
      <Section title="Timeline">
        <Timeline events={email.events} />
      </Section>
      <p class="since">
        Id <code>{email.id}</code>
        {email.traceId !== undefined && (
          <>
            , trace <code>{email.traceId}</code>: search the logs for either.
          </>
        )}
      </p>
    </>
  );
}

const waitTexts = {
  "needs-time": "The recipient's server asks for time.",
  rate: "The server takes no more emails for now.",
  server: "No server takes emails.",
  paused: "An operator has paused such emails.",
} as const;

/** What became of the email for each of its recipients. */
function Recipients({ email }: { email: Email }) {
  const isAlone = email.recipients.length === 1;
  return (
    <Section title="Recipients">
      <Table
        caption="Recipients with their states"
        rows={email.recipients}
        keyOf={({ address }) => address}
        empty="None."
        columns={[
          {
            head: "Recipient",
            cell: ({ name, address }) => (name ? `${name} <${address}>` : address),
          },
          { head: "As", cell: ({ kind }) => kind },
          { head: "State", cell: ({ state }) => <StateOfRecipient state={state} /> },
          {
            head: "Last answer",
            kind: "wide",
            cell: ({ detail = isAlone ? email.lastError : undefined }) =>
              detail === undefined ? "–" : answerText(detail),
          },
        ]}
      />
    </Section>
  );
}

const resolutions = {
  sent: {
    label: "It was sent",
    explains: "The email counts as sent, and is never sent again.",
    done: "It counts as sent.",
  },
  queued: {
    label: "Send it again",
    explains: "It is queued again. If it had arrived, its recipient gets it twice.",
    done: "It is queued again.",
  },
  dead: {
    label: "It was not sent",
    explains: "It becomes a dead letter, which can be replayed.",
    done: "It is now a dead letter.",
  },
} as const;

/** Also of an email that other recipients have. */
function ToDeadLetter({ id }: { id: string }) {
  return (
    <>
      <div class="buttons">
        <ReplayOne id={id} />
      </div>
      <p>
        <a href={linkTo("dead-letters", id)}>To its dead letter</a>, where it can be discarded.
      </p>
    </>
  );
}

function Actions({ email }: { email: Email }) {
  const params = { id: email.id };
  if (email.status !== "dead" && email.recipients.some(({ state }) => state === "refused"))
    return <ToDeadLetter id={email.id} />;
  switch (email.status) {
    case "queued":
    case "scheduled":
      return (
        <div class="buttons">
          {email.waiting !== undefined && email.waiting.reason !== "paused" && (
            <Action
              label="Try it now"
              explains={<p>It does not wait any longer. The server may give the same answer.</p>}
              done="It is tried now."
              operation="retryEmail"
              act={() => call("retryEmail", { params })}
            />
          )}
          <Action
            label="Cancel the email"
            tone="danger"
            explains={<p>It is not sent, unless a transport has it already.</p>}
            done="The email was cancelled."
            operation="cancelEmail"
            act={() => call("cancelEmail", { params })}
          />
        </div>
      );
    case "unknown":
    case "pinned":
      return (
        <>
          <p>
            The hand-over was interrupted: the server may have the email or not. Search the log of
            the provider or of the recipient's server, and resolve it.
          </p>
          <div class="buttons">
            {(["sent", "queued", "dead"] as const).map((status) => (
              <Action
                key={status}
                label={resolutions[status].label}
                {...(status === "queued" && { tone: "danger" as const })}
                explains={<p>{resolutions[status].explains}</p>}
                done={resolutions[status].done}
                operation="resolveEmail"
                act={() => call("resolveEmail", { params, body: { status } })}
              />
            ))}
          </div>
        </>
      );
    case "dead":
      return <ToDeadLetter id={email.id} />;
    case "claimed":
    case "sending":
    case "sent":
    case "delivered":
    case "bounced":
    case "complained":
    case "suppressed":
    case "cancelled":
    case "discarded":
      return null;
  }
}
