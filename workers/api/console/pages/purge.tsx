import { useState } from "preact/hooks";
import type { AnswerBody } from "../api.ts";
import { countText, numberText } from "../format.ts";
import { useResource } from "../resource.ts";
import { call } from "../session.ts";
import { Section, State, Time } from "../ui/bits.tsx";
import { Action } from "../ui/confirm.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Table } from "../ui/table.tsx";

type Purged = AnswerBody<"invalidate">;

const kinds = {
  userId: { name: "User", hint: "every entry of a user, by id", example: "ada" },
  tags: { name: "Tag", hint: "every entry with a tag", example: "tier:pro" },
  keys: { name: "Key", hint: "one entry", example: "user:ada" },
  pattern: { name: "Pattern", hint: 'a prefix that ends in ":*"', example: "user:ada:*" },
  all: { name: "Everything", hint: "the whole cache", example: "" },
} as const;
type Kind = keyof typeof kinds;

type Mode = "hard" | "soft";
type Wanted = { kind: Kind; value: string; mode: Mode };

/** The body of the request. */
function bodyOf({ kind, value, mode }: Wanted): Record<string, unknown> {
  if (kind === "all") return { all: true, mode };
  return { [kind]: kind === "tags" || kind === "keys" ? [value.trim()] : value.trim(), mode };
}

export function PurgeForm() {
  const [wanted, setWanted] = useState<Wanted>({ kind: "userId", value: "", mode: "hard" });
  const [result, setResult] = useState<Purged | null>(null);
  const { kind, value } = wanted;
  const what = kind === "all" ? "everything" : `${kinds[kind].name.toLowerCase()} ${value.trim()}`;
  const purge = async () => {
    const outcome = await call("invalidate", { body: bodyOf(wanted) });
    if (outcome.ok) setResult(outcome.body);
    return outcome;
  };
  return (
    <Section title="Purge">
      <div class="form">
        <Fields wanted={wanted} change={(changes) => setWanted({ ...wanted, ...changes })} />
        <Action
          label="Purge"
          of={what}
          lacks={kind !== "all" && value.trim() === "" ? "Enter what to purge." : undefined}
          tone="danger"
          explains={
            <p>
              No isolate serves these entries after that, within the staleness bound. They are
              loaded again when they are read.
            </p>
          }
          done={`Purged ${what}.`}
          operation="invalidate"
          act={purge}
        />
      </div>
      {result !== null && <Result result={result} />}
    </Section>
  );
}

function Fields({
  wanted: { kind, value, mode },
  change,
}: {
  wanted: Wanted;
  change: (changes: Partial<Wanted>) => void;
}) {
  return (
    <>
      <label>
        By
        <select
          value={kind}
          onChange={({ currentTarget }) => change({ kind: currentTarget.value as Kind })}
        >
          {Object.entries(kinds).map(([name, { name: shown, hint }]) => (
            <option key={name} value={name}>
              {shown}: {hint}
            </option>
          ))}
        </select>
      </label>
      {kind !== "all" && (
        <label>
          {kinds[kind].name}
          <input
            value={value}
            placeholder={kinds[kind].example}
            autocomplete="off"
            spellcheck={false}
            onInput={({ currentTarget }) => change({ value: currentTarget.value })}
          />
        </label>
      )}
      <label>
        How
        <select
          value={mode}
          onChange={({ currentTarget }) => change({ mode: currentTarget.value as Mode })}
        >
          <option value="hard">Hard: never serve it again</option>
          <option value="soft">Soft: serve it as stale while it is reloaded</option>
        </select>
      </label>
    </>
  );
}

function Result({ result: { invalidated, seq, failed } }: { result: Purged }) {
  return (
    <p role="status">
      {countText(invalidated, "name was", "names were")} purged.{" "}
      {seq === null
        ? "The index did not answer: the purge is in the outbox, and is delivered later."
        : `The purge has number ${numberText(seq)}.`}{" "}
      {failed > 0 &&
        `${countText(failed, "key")} could not be deleted from KV yet; they are not served.`}
    </p>
  );
}

export function InspectForm() {
  const [value, setValue] = useState("");
  const [tag, setTag] = useState<string | null>(null);
  const submit = (event: Event): void => {
    event.preventDefault();
    setTag(value.trim() === "" ? null : value.trim());
  };
  return (
    <Section title="Inspect a tag">
      <form class="form" onSubmit={submit}>
        <label>
          Tag, key or pattern
          <input
            value={value}
            placeholder="user:ada"
            autocomplete="off"
            spellcheck={false}
            onInput={({ currentTarget }) => setValue(currentTarget.value)}
          />
        </label>
        <button type="submit">Inspect</button>
      </form>
      {tag !== null && <Members key={tag} tag={tag} />}
    </Section>
  );
}

function Members({ tag }: { tag: string }) {
  const found = useResource("inspectTag", { params: { tag }, query: { limit: "50" } });
  return (
    <Loaded reading={found}>
      {({ members, purgedAt }) => (
        <>
          <p>
            {purgedAt === undefined ? (
              "Not purged recently."
            ) : (
              <>
                Purged <Time at={purgedAt} />.
              </>
            )}
          </p>
          <Table
            caption={`Entries with ${tag}`}
            rows={members}
            keyOf={({ key }) => key}
            empty="There is no entry in KV."
            columns={[
              { head: "Key", kind: "wide", cell: ({ key }) => <code>{key}</code> },
              {
                head: "State",
                cell: ({ purged }) =>
                  purged ? <State tone="idle">purged</State> : <State tone="good">served</State>,
              },
              { head: "Expires", cell: ({ expiresAt }) => <Time at={expiresAt} /> },
            ]}
          />
        </>
      )}
    </Loaded>
  );
}
