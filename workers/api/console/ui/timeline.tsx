import { answerText } from "../answer-text.ts";
import { groupsOf, groupText, type TimelineEvent } from "../timeline-groups.ts";
import { Empty, Time } from "./bits.tsx";
import { toneOf } from "./email-state.tsx";

/** The events of an email in order, by attempt: each with the server's answer. */
export function Timeline({ events }: { events: readonly TimelineEvent[] }) {
  if (events.length === 0) return <Empty>There are no events yet.</Empty>;
  return (
    <ol class="attempts">
      {groupsOf(events).map((group, n) => (
        <li key={n}>
          <h3>{groupText(group)}</h3>
          <ol class="timeline">
            {group.events.map((event, place) => (
              <li key={place} class={toneOf(event.type)}>
                <strong>{event.type}</strong> <Time at={event.at} />
                {event.detail !== undefined && <p class="said">{answerText(event.detail)}</p>}
              </li>
            ))}
          </ol>
        </li>
      ))}
    </ol>
  );
}
