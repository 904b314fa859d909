import { useState } from "preact/hooks";
import type { RequestOf } from "../api.ts";
import { countText } from "../format.ts";
import { call } from "../session.ts";
import { Action } from "./confirm.tsx";
import { Field } from "./find.tsx";

type Filter = NonNullable<RequestOf<"replayWebhookDeliveries">["body"]>;

/** Replays the dead deliveries of an endpoint by type and time. */
export function ReplayDead({ id }: { id: string }) {
  const [type, setType] = useState("");
  const [since, setSince] = useState("");
  const [until, setUntil] = useState("");
  const [replayed, setReplayed] = useState<number | null>(null);
  const replay = async () => {
    const given = Object.entries({ type, since, until }).map(([name, text]) => [name, text.trim()]);
    // What is no type or time is refused by the API, which names the field.
    const body = Object.fromEntries(given.filter(([, text]) => text !== "")) as Filter;
    const outcome = await call("replayWebhookDeliveries", { params: { endpointId: id }, body });
    if (outcome.ok) setReplayed(outcome.body.replayed);
    return outcome;
  };
  return (
    <>
      <div class="form">
        <Field label="Type (optional), such as email.sent" value={type} onInput={setType} />
        <Field
          label="From (optional), such as 2026-11-30T12:00:00Z"
          value={since}
          onInput={setSince}
        />
        <Field label="Before (optional)" value={until} onInput={setUntil} />
        <Action
          label="Replay dead deliveries"
          operation="replayWebhookDeliveries"
          explains={
            <p>
              Up to 1,000 are delivered again, oldest first. If the cause is not fixed, they die
              again.
            </p>
          }
          done="The replay is done."
          act={replay}
        />
      </div>
      {replayed !== null && (
        <p role="status">{countText(replayed, "delivery", "deliveries")} due again.</p>
      )}
    </>
  );
}
