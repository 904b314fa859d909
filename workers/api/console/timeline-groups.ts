/** The timeline of an email, by attempt. Pure. */

export type TimelineEvent = { type: string; at: string; generation: number; detail?: unknown };

/**
 * `attempt`: a hand-over, the so many-th of its generation. `held`: a consumer took the email and
 * did not hand it over. `reported`: what a provider reported afterwards.
 */
export type TimelineGroup = {
  kind: "waiting" | "attempt" | "held" | "reported";
  generation: number;
  attempt: number | null;
  events: TimelineEvent[];
};

const reported = new Set(["delivered", "bounced", "complained", "transient-bounce"]);

/** The events in their order. An attempt ends with what became of the hand-over. */
export function groupsOf(events: readonly TimelineEvent[]): TimelineGroup[] {
  const groups: TimelineGroup[] = [];
  let isOpen = false;
  for (const event of events) {
    const { type, generation } = event;
    const last = groups.at(-1);
    const isNew = last?.generation !== generation;
    const kind = kindOf(type);
    const isOther = !isOpen && (last?.kind !== kind || kind === "attempt");
    if (type === "claimed" || isNew || isOther) {
      groups.push({ kind, generation, attempt: null, events: [event] });
      isOpen = type === "claimed" || type === "sending";
    } else {
      last.events.push(event);
      if (isOpen && type === "sending") last.kind = "attempt";
      if (isOpen && type !== "sending") isOpen = false;
    }
  }
  return numbered(groups);
}

function kindOf(type: string): TimelineGroup["kind"] {
  if (type === "claimed") return "held";
  if (type === "sending") return "attempt";
  return reported.has(type) ? "reported" : "waiting";
}

function numbered(groups: readonly TimelineGroup[]): TimelineGroup[] {
  return groups.map((group, place) => {
    if (group.kind !== "attempt") return group;
    const before = groups
      .slice(0, place)
      .filter(({ kind, generation }) => kind === "attempt" && generation === group.generation);
    return { ...group, attempt: before.length + 1 };
  });
}

/** The heading of a group. */
export function groupText({ kind, attempt, generation }: TimelineGroup): string {
  const since = generation > 1 ? ` of generation ${generation}` : "";
  switch (kind) {
    case "waiting":
      return `Waiting${since}`;
    case "attempt":
      return `Attempt ${attempt ?? ""}${since}`;
    case "held":
      return `Taken, and not handed over${since}`;
    case "reported":
      return `Reported by the provider${since}`;
  }
}
