import { answerText } from "../answer-text.ts";
import { failedCall, type AnswerBody, type CallOutcome } from "../api.ts";
import { countText, numberText } from "../format.ts";
import { useResource } from "../resource.ts";
import { call } from "../session.ts";
import { Section, Time } from "../ui/bits.tsx";
import { Action } from "../ui/confirm.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Table } from "../ui/table.tsx";

type Filter = NonNullable<Parameters<typeof useResource<"listDeadLetterCauses">>[1]>["query"];
type Cause = AnswerBody<"listDeadLetterCauses">["items"][number];

const CAUSES_EVERY_MS = 10_000;

/** The dead emails by what ended them: those of one cause are replayed together. */
export function Causes({ filter = {} }: { filter?: Filter }) {
  const causes = useResource("listDeadLetterCauses", { query: filter }, CAUSES_EVERY_MS);
  return (
    <Section title="By cause">
      <Loaded reading={causes} lines={3}>
        {({ items, more }) => (
          <>
            <Table
              caption="Dead emails by cause, the most frequent first"
              rows={items}
              keyOf={({ ids }) => ids[0] ?? ""}
              empty="There is no dead email."
              columns={[
                { head: "Emails", kind: "number", cell: ({ ids }) => numberText(ids.length) },
                { head: "Reason", cell: ({ reason }) => reason },
                { head: "One of the answers", kind: "wide", cell: answerOf },
                { head: "First", cell: ({ oldestAt }) => <Time at={oldestAt} /> },
                { head: "Last", cell: ({ newestAt }) => <Time at={newestAt} /> },
                { head: "Replay", kind: "actions", cell: (cause) => <ReplayThese cause={cause} /> },
              ]}
            />
            {more && (
              <p class="since">Only the oldest 1,000 dead emails are counted. There are more.</p>
            )}
          </>
        )}
      </Loaded>
    </Section>
  );
}

function answerOf({ transport, phase, code, enhancedCode, text }: Cause): string {
  return text === undefined
    ? "–"
    : answerText({
        transport,
        phase,
        ...(code !== undefined && { code }),
        ...(enhancedCode !== undefined && { enhancedCode }),
        text,
      });
}

function ReplayThese({ cause: { ids, reason } }: { cause: Cause }) {
  return (
    <Action
      label={`Replay these ${numberText(ids.length)}`}
      operation="processDeadLetters"
      heading={`Replay ${countText(ids.length, "email")}`}
      explains={
        <p>
          Each is queued again, with all its attempts, 10 per second. Reason: {reason}. If the cause
          is not fixed, they become dead letters again.
        </p>
      }
      done={(body) => `${countText(queuedBy(body), "email")} queued again.`}
      act={() => replayAll(ids)}
    />
  );
}

const queuedBy = (body: unknown): number => (body as AnswerBody<"processDeadLetters">).processed;

/** One batch. What is not dead any more is refused, so that a repeat sends nothing twice. */
async function replayAll(ids: string[]): Promise<CallOutcome<AnswerBody<"processDeadLetters">>> {
  const outcome = await call("processDeadLetters", { body: { ids } });
  if (!outcome.ok || outcome.body.errors === 0) return outcome;
  const { processed, items } = outcome.body;
  const first = items.find(({ success }) => !success);
  return failedCall(
    `${numberText(processed)} of ${countText(ids.length, "email")} queued again`,
    `The first that was not queued: ${first?.error ?? "it is no longer there"}.`,
  );
}
