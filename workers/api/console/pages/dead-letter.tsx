import { lastErrorText } from "../answer-text.ts";
import type { AnswerBody } from "../api.ts";
import { useResource } from "../resource.ts";
import { linkTo } from "../router.ts";
import { call } from "../session.ts";
import { Facts, Raw, Section, Time } from "../ui/bits.tsx";
import { Action } from "../ui/confirm.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Timeline } from "../ui/timeline.tsx";
import { ReplayOne } from "./replay-one.tsx";

type DeadLetter = AnswerBody<"getDeadLetter">;

/** `query`: the filters of the list that led here. */
export function DeadLetterPage({ id, query }: { id: string; query: URLSearchParams }) {
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
      {(body) => (
        <Details letter={body} list={linkTo("dead-letters", null, Object.fromEntries(query))} />
      )}
    </Loaded>
  );
}

function Details({ letter, list }: { letter: DeadLetter; list: string }) {
  const { id, kind, to, recipients, subject, reason, lastError, rawBody, events } = letter;
  return (
    <>
      <p>
        <a href={list}>Back to the dead letters</a>
      </p>
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
      <Actions letter={letter} list={list} />
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

function Actions({ letter: { id, kind }, list }: { letter: DeadLetter; list: string }) {
  return (
    <div class="buttons">
      {kind === "email" && <ReplayOne id={id} />}
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
        after={() => (location.hash = list)}
      />
    </div>
  );
}
