import { useState } from "preact/hooks";
import type { BodyOf } from "../api.ts";
import { countText, numberText } from "../format.ts";
import { useResource } from "../resource.ts";
import { call } from "../session.ts";
import { Section, State, Time } from "../ui/bits.tsx";
import { Action } from "../ui/confirm.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Table } from "../ui/table.tsx";

type Purged = BodyOf<"invalidate">;

const kinds = {
  userId: { name: "User", hint: "everything about a user, by id", example: "ada" },
  tags: { name: "Tag", hint: "everything under a tag", example: "tier:pro" },
  keys: { name: "Key", hint: "one entry", example: "user:ada" },
  pattern: { name: "Pattern", hint: 'a prefix that ends in ":*"', example: "user:ada:*" },
  all: { name: "Everything", hint: "the whole cache", example: "" },
} as const;
type Kind = keyof typeof kinds;

export function PurgeForm() {
  const [kind, setKind] = useState<Kind>("userId");
  const [value, setValue] = useState("");
  const [mode, setMode] = useState<"hard" | "soft">("hard");
  const [result, setResult] = useState<Purged | null>(null);
  const what = kind === "all" ? "everything" : `${kinds[kind].name.toLowerCase()} ${value.trim()}`;
  const selector = (): Record<string, unknown> =>
    kind === "all"
      ? { all: true }
      : kind === "tags" || kind === "keys"
        ? { [kind]: [value.trim()] }
        : { [kind]: value.trim() };
  const purge = async () => {
    const outcome = await call("invalidate", { body: { ...selector(), mode } });
    if (outcome.ok) setResult(outcome.body);
    return outcome;
  };
  return (
    <Section title="Purge">
      <div class="form">
        <label>
          By
          <select
            value={kind}
            onChange={({ currentTarget }) => setKind(currentTarget.value as Kind)}
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
              onInput={({ currentTarget }) => setValue(currentTarget.value)}
            />
          </label>
        )}
        <label>
          How
          <select
            value={mode}
            onChange={({ currentTarget }) => setMode(currentTarget.value as "hard" | "soft")}
          >
            <option value="hard">Hard: never serve it again</option>
            <option value="soft">Soft: serve it while it is renewed</option>
          </select>
        </label>
        <Action
          label="Purge"
          of={what}
          lacks={kind !== "all" && value.trim() === "" ? "Say what to purge." : undefined}
          tone="danger"
          explains={
            <p>
              No isolate serves it from then on, within the bound that the cache promises. What is
              asked for is loaded anew.
            </p>
          }
          done={`Purged ${what}.`}
          act={purge}
        />
      </div>
      {result !== null && (
        <p role="status">
          {countText(result.invalidated, "entry was", "entries were")} in the index and will go.{" "}
          {result.seq === null
            ? "The index did not answer: the purge is noted, and delivered when it does."
            : `The purge is number ${numberText(result.seq)}.`}{" "}
          {result.failed > 0 &&
            `${countText(result.failed, "key")} could not be deleted from KV yet; they are not served all the same.`}
        </p>
      )}
    </Section>
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
    <Section title="Look under a tag">
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
        <button type="submit">Look</button>
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
              "Not purged lately."
            ) : (
              <>
                Purged <Time at={purgedAt} />.
              </>
            )}
          </p>
          <Table
            caption={`Entries under ${tag}`}
            rows={members}
            keyOf={({ key }) => key}
            empty="Nothing in KV is under it."
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
