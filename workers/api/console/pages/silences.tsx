import { useState } from "preact/hooks";
import { useResource } from "../resource.ts";
import { call } from "../session.ts";
import { Section, Time } from "../ui/bits.tsx";
import { Action } from "../ui/confirm.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Table } from "../ui/table.tsx";

/** Silences that hold now or begin later. */
export function Silences() {
  const list = useResource("listSilences");
  return (
    <Section title="Silences">
      <Loaded reading={list} lines={2}>
        {({ items }) => (
          <Table
            caption="Silences"
            rows={items}
            keyOf={({ id }) => id}
            empty="No alert is silenced."
            columns={[
              { head: "Alerts", cell: ({ match }) => <code>{match}</code> },
              { head: "Why", kind: "wide", cell: ({ reason }) => reason },
              { head: "By", cell: ({ createdBy }) => createdBy },
              { head: "From", cell: ({ startsAt }) => <Time at={startsAt} /> },
              { head: "Until", cell: ({ endsAt }) => <Time at={endsAt} /> },
              {
                head: "End",
                kind: "actions",
                cell: ({ id, match }) => (
                  <Action
                    label="End"
                    operation="endSilence"
                    of={match}
                    explains={<p>Alerts that still fire are notified within a minute.</p>}
                    done="The silence has ended."
                    act={() => call("endSilence", { params: { silenceId: id } })}
                  />
                ),
              },
            ]}
          />
        )}
      </Loaded>
      <Silence />
    </Section>
  );
}

const HOUR_MS = 3_600_000;
const DURATIONS = [1, 4, 24, 168];
const durationText = (hours: number): string =>
  hours < 24 ? `${hours} h` : `${hours / 24} ${hours === 24 ? "day" : "days"}`;

function Silence() {
  const [match, setMatch] = useState("");
  const [hours, setHours] = useState(1);
  const lacks = match.trim() === "" ? "Enter the key of an alert." : undefined;
  return (
    <div class="form">
      <label>
        Key of an alert, or its beginning and *
        <input
          value={match}
          placeholder="breaker:*"
          autocomplete="off"
          onInput={({ currentTarget }) => setMatch(currentTarget.value)}
        />
      </label>
      <label>
        For
        <select
          value={hours}
          onChange={({ currentTarget }) => setHours(Number(currentTarget.value))}
        >
          {DURATIONS.map((duration) => (
            <option key={duration} value={duration}>
              {durationText(duration)}
            </option>
          ))}
        </select>
      </label>
      <Action
        label="Silence"
        operation="silenceAlerts"
        of={match.trim()}
        lacks={lacks}
        tone="danger"
        explains={<p>Nobody is notified for {durationText(hours)}. The alerts are still shown.</p>}
        reason="required"
        done={`Silenced: ${match.trim()}.`}
        act={(reason) => {
          const endsAt = new Date(Date.now() + hours * HOUR_MS).toISOString();
          return call("silenceAlerts", { body: { match: match.trim(), reason, endsAt } });
        }}
      />
    </div>
  );
}
