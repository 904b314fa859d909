import { failedCall, type CallOutcome } from "../api.ts";
import { linkTo } from "../router.ts";
import { call } from "../session.ts";
import { Action } from "../ui/confirm.tsx";

/** The API answers 200 also if the email cannot be replayed: that must not look like a success. */
async function replay(id: string): Promise<CallOutcome<unknown>> {
  const outcome = await call("processDeadLetters", { body: { ids: [id] } });
  const item = outcome.ok ? outcome.body.items[0] : undefined;
  if (!outcome.ok || item?.success === true) return outcome;
  return failedCall("It was not replayed", item?.error ?? "It is no longer there.");
}

/** Queues one dead email again. */
export function ReplayOne({ id }: { id: string }) {
  return (
    <Action
      label="Replay"
      operation="processDeadLetters"
      explains={
        <p>
          The email is queued again, with all its attempts, for the recipients who do not have it.
          If the cause is not fixed, it becomes a dead letter again.
        </p>
      }
      done="The email is queued again."
      act={() => replay(id)}
      after={() => (location.hash = linkTo("email", id))}
    />
  );
}
