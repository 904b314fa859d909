import { useState } from "preact/hooks";
import type { AnswerBody, CallOutcome } from "../api.ts";
import { whySuppressedChoices, type SuppressionFilter } from "../filters.ts";
import { countText } from "../format.ts";
import { call } from "../session.ts";
import { announce } from "../ui/announce.tsx";
import { Section } from "../ui/bits.tsx";
import { Action } from "../ui/confirm.tsx";
import { Choice } from "../ui/find.tsx";

type Imported = AnswerBody<"importSuppressions">;

/** Lists of suppressions as CSV. */
export function SuppressionFiles({ filter: { tenant, scope } }: { filter: SuppressionFilter }) {
  const [file, setFile] = useState<File | null>(null);
  const [result, setResult] = useState<Imported | null>(null);
  return (
    <Section title="Import and export">
      <div class="form">
        <label>
          CSV with the column address, and any of scope, tenant, reason, note, createdAt
          <input
            type="file"
            accept=".csv,text/csv"
            onChange={({ currentTarget }) => setFile(currentTarget.files?.[0] ?? null)}
          />
        </label>
        <Action
          label="Import"
          operation="importSuppressions"
          of={file?.name ?? "a list"}
          lacks={file === null ? "Choose a file." : undefined}
          tone="danger"
          explains={<p>No emails are sent to its addresses, not even those that are queued.</p>}
          done="The list is imported."
          act={async () => {
            const outcome = await importFile(file);
            setResult(outcome.ok ? outcome.body : null);
            return outcome;
          }}
        />
        <button type="button" onClick={() => void download(tenant, scope)}>
          Export as CSV
        </button>
      </div>
      {result !== null && <Result result={result} />}
    </Section>
  );
}

async function importFile(file: File | null): Promise<CallOutcome<Imported>> {
  // The bytes are read first: a file that changed meanwhile would break the request off.
  const bytes = (await file?.arrayBuffer()) ?? new ArrayBuffer(0);
  return await call("importSuppressions", {
    file: bytes,
    headers: { "Content-Type": "text/csv" },
  });
}

function Result({ result }: { result: Imported }) {
  const { added, alreadySuppressed, refused, errors, unfinishedFrom } = result;
  return (
    <div role="status">
      <p>
        {`${countText(added, "address", "addresses")} added, `}
        {`${alreadySuppressed} suppressed already, ${refused} refused.`}
        {unfinishedFrom !== undefined &&
          ` The database failed: import the list again, from line ${unfinishedFrom} on.`}
      </p>
      {errors.length > 0 && (
        <ul>
          {errors.map(({ line, path, message }) => (
            <li key={line}>
              Line {line}: {path} {message}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

async function download(
  tenant: string | undefined,
  scope: SuppressionFilter["scope"],
): Promise<void> {
  // An index has one of both.
  const query = tenant === undefined ? { ...(scope !== undefined && { scope }) } : { tenant };
  const outcome = await call("exportSuppressions", { query });
  if (!outcome.ok) return announce(`${outcome.title}. ${outcome.detail}`, "bad");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([outcome.body], { type: "text/csv" }));
  link.download = "suppressions.csv";
  link.click();
  URL.revokeObjectURL(link.href);
}

/** Lifts what the filter above has. */
export function LiftMany({ filter: { address, ...filter } }: { filter: SuppressionFilter }) {
  const [reason, setReason] = useState<(typeof whySuppressedChoices)[number] | undefined>(
    undefined,
  );
  const criteria = {
    ...filter,
    ...(address !== undefined && { addresses: [address] }),
    ...(reason !== undefined && { reason }),
  };
  const isAll = Object.keys(criteria).length === 0;
  return (
    <Section title="Lift many">
      <p>Lifts every suppression that matches the filter above, on all pages.</p>
      <div class="form">
        <Choice
          label="Only with the reason"
          value={reason}
          values={whySuppressedChoices}
          onChoose={(value) => setReason(whySuppressedChoices.find((one) => one === value))}
        />
        <Action
          label="Lift all of them"
          operation="deleteSuppressions"
          lacks={isAll ? "Choose a filter or a reason." : undefined}
          tone="danger"
          explains={
            <p>
              Emails to these addresses are sent again, also to people who unsubscribed. Emails that
              bounce again cost reputation.
            </p>
          }
          done="The suppressions are lifted."
          act={() => liftAll(criteria)}
        />
      </div>
    </Section>
  );
}

type Criteria = Omit<SuppressionFilter, "address"> & {
  addresses?: string[];
  reason?: (typeof whySuppressedChoices)[number];
};

/** Page after page. What fails leaves the pages before it lifted. */
async function liftAll(criteria: Criteria): Promise<CallOutcome<unknown>> {
  for (let cursor: string | undefined; ;) {
    const outcome = await call("deleteSuppressions", {
      body: { ...criteria, ...(cursor !== undefined && { cursor }) },
    });
    if (!outcome.ok || outcome.body.nextCursor === undefined) return outcome;
    cursor = outcome.body.nextCursor;
  }
}
