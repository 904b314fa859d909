import type { BodyOf } from "../api.ts";
import { useResource } from "../resource.ts";
import { linkTo } from "../router.ts";
import { call } from "../session.ts";
import { Facts, Section, Time } from "../ui/bits.tsx";
import { Action } from "../ui/confirm.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { MailState } from "../ui/mail-state.tsx";
import { said, Timeline } from "../ui/timeline.tsx";

type Mail = BodyOf<"getEmail">;

export function MailPage({ id }: { id: string }) {
  const mail = useResource("getEmail", { params: { id } }, 2_000);
  if (mail.body === null && mail.failure?.status === 404) {
    return (
      <p>
        There is no mail <code>{id}</code>. Old ones are deleted.{" "}
        <a href={linkTo("email")}>To the mails</a>
      </p>
    );
  }
  return (
    <Loaded reading={mail} lines={8}>
      {(body) => <Details mail={body} />}
    </Loaded>
  );
}

function Details({ mail }: { mail: Mail }) {
  return (
    <>
      <p class="lead">
        <MailState status={mail.status} /> to {mail.to}: {mail.subject}
      </p>
      <Facts
        facts={[
          ["Accepted", <Time at={mail.createdAt} />],
          ["Attempts", mail.attempts],
          ["Generation", mail.generation],
          ["Category", mail.category],
          ...(mail.dueAt === undefined
            ? []
            : [["Due", <Time at={mail.dueAt} />] as [string, preact.ComponentChildren]]),
          ...(mail.sentAt === undefined
            ? []
            : [["Sent", <Time at={mail.sentAt} />] as [string, preact.ComponentChildren]]),
        ]}
      />
      {mail.lastError !== undefined && <p>Last it was said: {said(mail.lastError)}</p>}
      <Actions mail={mail} />
      <Section title="Timeline">
        <Timeline events={mail.events} />
      </Section>
      <p class="since">
        Id <code>{mail.id}</code>
        {mail.traceId !== undefined && (
          <>
            , trace <code>{mail.traceId}</code>: its log lines have both.
          </>
        )}
      </p>
    </>
  );
}

const resolutions = {
  sent: {
    label: "It was sent",
    explains: "The mail counts as sent, and is never sent again.",
    done: "It counts as sent.",
  },
  queued: {
    label: "Send it again",
    explains: "It is queued again. If it had arrived after all, its recipient gets it twice.",
    done: "It is queued again.",
  },
  dead: {
    label: "It was not sent",
    explains: "It becomes a dead letter, which can be replayed.",
    done: "It is a dead letter now.",
  },
} as const;

function Actions({ mail }: { mail: Mail }) {
  const params = { id: mail.id };
  switch (mail.status) {
    case "queued":
    case "scheduled":
      return (
        <div class="buttons">
          <Action
            label="Cancel the mail"
            tone="danger"
            explains={<p>It is not sent, if it has not left by then.</p>}
            done="The mail was cancelled."
            act={() => call("cancelEmail", { params })}
          />
        </div>
      );
    case "unknown":
    case "pinned":
      return (
        <>
          <p>
            The hand-over was cut off: the server may have it or not. Look at the recipient's
            server, or at the provider, and say what became of it.
          </p>
          <div class="buttons">
            {(["sent", "queued", "dead"] as const).map((status) => (
              <Action
                key={status}
                label={resolutions[status].label}
                {...(status === "queued" && { tone: "danger" as const })}
                explains={<p>{resolutions[status].explains}</p>}
                done={resolutions[status].done}
                act={() => call("resolveEmail", { params, body: { status } })}
              />
            ))}
          </div>
        </>
      );
    case "dead":
      return (
        <p>
          <a href={linkTo("dead-letters", mail.id)}>To its dead letter</a>, where it can be
          replayed.
        </p>
      );
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
