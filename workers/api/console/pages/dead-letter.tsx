import { lastErrorText } from "../answer-text.ts";
import { failedCall, type AnswerBody, type CallOutcome } from "../api.ts";
import { useResource } from "../resource.ts";
import { linkTo } from "../router.ts";
import { call } from "../session.ts";
import { Facts, Raw, Section, Time } from "../ui/bits.tsx";
import { Action } from "../ui/confirm.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Timeline } from "../ui/timeline.tsx";

type DeadLetter = AnswerBody<"getDeadLetter">;

export function DeadLetterPage({ id }: { id: string }) {
  const letter = useResource("getDeadLetter", { params: { id } });
  if (letter.failure?.status === 404) {
    return (
      <p>
        There is no dead letter <code>{id}</code>: it was replayed, discarded, or has expired. Go to
        <a href={linkTo("email", id)}>the email</a> or{" "}
        <a href={linkTo("dead-letters")}>the dead letters</a>.
      </p>
    );
  }
  return (
    <Loaded reading={letter} lines={8}>
      {(body) => <Details letter={body} />}
    </Loaded>
  );
}

/** The API answers 200 also if the email cannot be replayed: that must not look like a success. */
async function replay(id: string): Promise<CallOutcome<unknown>> {
  const outcome = await call("processDeadLetters", { body: { ids: [id] } });
  const item = outcome.ok ? outcome.body.items[0] : undefined;
  if (!outcome.ok || item?.success === true) return outcome;
  return failedCall("It was not replayed", item?.error ?? "It is no longer there.");
}

function Details({ letter }: { letter: DeadLetter }) {
  const { id, kind, to, recipients, subject, reason, lastError, rawBody, events } = letter;
  return (
    <>
      <p class="lead">
        {kind === "email"
          ? `To ${recipients?.join(", ") ?? to ?? "unknown"}: ${subject ?? ""}`
          : "A message that no schema accepts."}
      </p>
      <Facts
        facts={[
          ["Died", <Time at={letter.buriedAt} />],
          ["Reason", reason],
          ["Attempts", letter.attempts],
          ["Expires", <Time at={letter.expiresAt} />],
        ]}
      />
      {lastError !== undefined && <p>{lastErrorText(lastError)}</p>}
      <Actions letter={letter} />
      {rawBody !== undefined && (
        <Section title="The message">
          <Raw value={rawBody} />
        </Section>
      )}
      {kind === "email" && (
        <>
          <Section title="Timeline">
            <Timeline events={events} />
          </Section>
          <p>
            <a href={linkTo("email", id)}>To the email</a>
          </p>
        </>
      )}
    </>
  );
}

function Actions({ letter: { id, kind } }: { letter: DeadLetter }) {
  return (
    <div class="buttons">
      {kind === "email" && (
        <Action
          label="Replay"
          explains={
            <p>
              The email is queued again, with all its attempts. If the cause is not fixed, it
              becomes a dead letter again.
            </p>
          }
          done="The email is queued again."
          operation="processDeadLetters"
          act={() => replay(id)}
          after={() => (location.hash = linkTo("email", id))}
        />
      )}
      <Action
        label="Discard"
        heading="Discard 1 dead letter"
        tone="danger"
        explains={
          <p>
            It is deleted for good{kind === "email" && ", and its email is never sent"}. This cannot
            be undone.
          </p>
        }
        done="The dead letter was discarded."
        operation="discardDeadLetter"
        act={() => call("discardDeadLetter", { params: { id } })}
        after={() => (location.hash = linkTo("dead-letters"))}
      />
    </div>
  );
}
