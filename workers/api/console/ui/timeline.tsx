import { answerText } from "../answer-text.ts";
import { Empty, Time } from "./bits.tsx";
import { toneOf } from "./email-state.tsx";

type Event = { type: string; at: string; generation: number; detail?: unknown };

/** The events of an email in order: each attempt with the server's answer. */
export function Timeline({ events }: { events: readonly Event[] }) {
  if (events.length === 0) return <Empty>There are no events yet.</Empty>;
  return (
    <ol class="timeline">
      {events.map((event, n) => (
        <li key={n} class={toneOf(event.type)}>
          <strong>{event.type}</strong> <Time at={event.at} />
          {event.generation > 1 && <span class="since"> generation {event.generation}</span>}
          {event.detail !== undefined && <p class="said">{answerText(event.detail)}</p>}
        </li>
      ))}
    </ol>
  );
}
