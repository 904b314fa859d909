import { failedCall, type BodyOf, type Outcome } from "../api.ts";
import { useResource } from "../resource.ts";
import { linkTo } from "../router.ts";
import { call } from "../session.ts";
import { Facts, Raw, Section, Time } from "../ui/bits.tsx";
import { Action } from "../ui/confirm.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { said, Timeline } from "../ui/timeline.tsx";

type Letter = BodyOf<"getDeadLetter">;

export function DeadLetterPage({ id }: { id: string }) {
  const letter = useResource("getDeadLetter", { params: { id } });
  if (letter.failure?.status === 404) {
    return (
      <p>
        There is no dead letter <code>{id}</code> any more: it was replayed, discarded, or has
        expired. <a href={linkTo("email", id)}>To the mail</a>,{" "}
        <a href={linkTo("dead-letters")}>to the dead letters</a>.
      </p>
    );
  }
  return (
    <Loaded reading={letter} lines={8}>
      {(body) => <Details letter={body} />}
    </Loaded>
  );
}

/** One that cannot be replayed is no failure of the call, and must not look like a success. */
async function replay(id: string): Promise<Outcome<unknown>> {
  const outcome = await call("processDeadLetters", { body: { ids: [id] } });
  const item = outcome.ok ? outcome.body.items[0] : undefined;
  if (!outcome.ok || item?.success === true) return outcome;
  return failedCall("It was not replayed", item?.error ?? "It is no longer there.");
}

function Details({ letter }: { letter: Letter }) {
  const {
    id,
    kind,
    to,
    subject,
    reason,
    attempts,
    buriedAt,
    expiresAt,
    lastError,
    rawBody,
    events,
  } = letter;
  return (
    <>
      <p class="lead">
        {kind === "email"
          ? `To ${to ?? "somebody"}: ${subject ?? ""}`
          : "A message that no consumer understood."}
      </p>
      <Facts
        facts={[
          ["Died", <Time at={buriedAt} />],
          ["Reason", reason],
          ["Attempts", attempts],
          ["Expires", <Time at={expiresAt} />],
        ]}
      />
      {lastError !== undefined && <p>Last it was said: {said(lastError)}</p>}
      <div class="buttons">
        {kind === "email" && (
          <Action
            label="Replay"
            explains={
              <p>
                The mail is queued again, with all its attempts before it. If what killed it is not
                mended, it dies again.
              </p>
            }
            done="The mail is queued again."
            act={() => replay(id)}
            after={() => (location.hash = linkTo("email", id))}
          />
        )}
        <Action
          label="Discard"
          tone="danger"
          explains={
            <p>It is gone for good{kind === "email" && ", and its mail will never be sent"}.</p>
          }
          done="The dead letter was discarded."
          act={() => call("discardDeadLetter", { params: { id } })}
          after={() => (location.hash = linkTo("dead-letters"))}
        />
      </div>
      {rawBody !== undefined && (
        <Section title="The message">
          <Raw value={rawBody} />
        </Section>
      )}
      {kind === "email" && (
        <Section title="Timeline">
          <Timeline events={events} />
        </Section>
      )}
      {kind === "email" && (
        <p>
          <a href={linkTo("email", id)}>To the mail</a>
        </p>
      )}
    </>
  );
}
