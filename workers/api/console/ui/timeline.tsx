import { Empty, Time } from "./bits.tsx";

type Event = { type: string; at: string; generation: number; detail?: unknown };

/** The events of an email in order: each attempt with the server's answer. */
export function Timeline({ events }: { events: readonly Event[] }) {
  if (events.length === 0) return <Empty>There are no events yet.</Empty>;
  return (
    <ol class="timeline">
      {events.map((event, n) => (
        <li key={n}>
          <strong>{event.type}</strong> <Time at={event.at} />
          {event.generation > 1 && <span class="since"> generation {event.generation}</span>}
          {event.detail !== undefined && <p class="said">{answerText(event.detail)}</p>}
        </li>
      ))}
    </ol>
  );
}

/** `smtp, RCPT: 550 5.1.1 no such user`, or as much as the detail has. */
export function answerText(detail: unknown): string {
  if (typeof detail !== "object" || detail === null) return String(detail);
  const { transport, phase, code, enhancedCode, text, ...more } = detail as Partial<
    Record<string, string>
  >;
  const where = [transport, phase].filter((part) => part !== undefined).join(", ");
  // The text of an SMTP server includes its codes.
  const codes = [code, enhancedCode].filter(
    (part) => part !== undefined && text?.includes(part) !== true,
  );
  const what = [...codes, text].filter((part) => part !== undefined).join(" ");
  const rest = Object.entries(more)
    .map(([name, value]) =>
      (value as unknown) === true ? name : `${name}: ${JSON.stringify(value)}`,
    )
    .join(", ");
  return [where, what, rest].filter((part) => part !== "").join(": ");
}
