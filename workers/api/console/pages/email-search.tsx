import { useState } from "preact/hooks";
import type { AnswerBody } from "../api.ts";
import {
  isFiltered,
  MAX_PAGES,
  readOn,
  searchDays,
  searchFields,
  queryOf,
  type FormField,
} from "../email-search.ts";
import { chosen, isEmailId, statusChoices } from "../filters.ts";
import { numberText } from "../format.ts";
import { useReading } from "../resource.ts";
import { linkTo } from "../router.ts";
import { call } from "../session.ts";
import { Section, Time } from "../ui/bits.tsx";
import { EmailState } from "../ui/email-state.tsx";
import { Chips, Field } from "../ui/find.tsx";
import { PagedList } from "../ui/paged-list.tsx";
import { Table } from "../ui/table.tsx";

/** A page that looks at many emails is read seldom. */
const SEARCH_EVERY_MS = 60_000;
const LIST_EVERY_MS = 5_000;

/** The search for emails. All that it looks for is in the address. */
export function FindEmails({ query }: { query: URLSearchParams }) {
  const search = queryOf(query);
  const given = Object.fromEntries(query);
  const emails = useReading<"listEmails">(
    JSON.stringify(["search", search]),
    () => readOn((page) => call("listEmails", { query: { ...search, ...page } })),
    isFiltered(query) ? SEARCH_EVERY_MS : LIST_EVERY_MS,
  );
  return (
    <Section title="Find">
      <Chips
        label="Status"
        value={chosen(query, "status", statusChoices)}
        values={[undefined, ...statusChoices]}
        hrefOf={(status) => linkTo("email", null, { ...given, status, cursor: undefined })}
      />
      <SearchForm key={query.toString()} given={given} />
      <PagedList
        reading={emails}
        cursor={query.get("cursor") ?? undefined}
        onMove={(cursor) => (location.hash = linkTo("email", null, { ...given, cursor }))}
      >
        {({ items, searchedBackTo }) => (
          <>
            <Emails items={items} given={given} isFiltered={isFiltered(query)} />
            {searchedBackTo !== undefined && <LookedAt back={searchedBackTo} />}
          </>
        )}
      </PagedList>
    </Section>
  );
}

/** No index has what is looked for, so that more may follow. */
function LookedAt({ back }: { back: string }) {
  return (
    <p class="since">
      Up to {numberText(MAX_PAGES * 1_000)} emails were looked at, back to <Time at={back} />. The
      next page looks further back.
    </p>
  );
}

const labels: Record<FormField, string> = {
  to: "Recipient or id of an email",
  from: "Sender",
  tag: "Tag",
  tenant: "Tenant, such as user:ada",
  subject: "Subject begins with",
  since: "From day (UTC)",
  until: "Until day (UTC)",
};

function SearchForm({ given }: { given: Record<string, string> }) {
  const [texts, setTexts] = useState(given);
  const [wrong, setWrong] = useState<string | null>(null);
  const submit = (event: Event): void => {
    event.preventDefault();
    const wanted = Object.fromEntries(
      Object.entries(texts).map(([name, text]) => [name, text.trim()]),
    );
    const { to = "", from = "" } = wanted;
    if (isEmailId(to)) return void (location.hash = linkTo("email", to, given));
    const part = [to, from].find((one) => one !== "" && !one.includes("@"));
    if (part !== undefined)
      return setWrong(
        `"${part}" is neither a whole address nor the id of an email. Parts of an address are ` +
          "not searched.",
      );
    setWrong(null);
    location.hash = linkTo("email", null, { ...wanted, cursor: undefined });
  };
  return (
    <form class="form" onSubmit={submit} role="search">
      {[...searchFields, ...searchDays].map((name) => (
        <Field
          key={name}
          label={labels[name]}
          type={name === "since" || name === "until" ? "date" : "search"}
          value={texts[name] ?? ""}
          onInput={(text) => setTexts({ ...texts, [name]: text })}
        />
      ))}
      <button type="submit">Find</button>
      {wrong !== null && (
        <p class="failing" role="alert">
          {wrong}
        </p>
      )}
    </form>
  );
}

type Item = AnswerBody<"listEmails">["items"][number];

function Emails({
  items,
  given,
  isFiltered: isSearch,
}: {
  items: Item[];
  given: Record<string, string>;
  isFiltered: boolean;
}) {
  return (
    <Table
      caption="Emails, newest first"
      rows={items}
      keyOf={({ id }) => id}
      empty={isSearch ? "No email matches." : "No email was accepted yet."}
      columns={[
        { head: "Accepted", cell: ({ createdAt }) => <Time at={createdAt} /> },
        { head: "Status", cell: ({ status }) => <EmailState status={status} /> },
        { head: "To", cell: ({ id, to }) => <a href={linkTo("email", id, given)}>{to}</a> },
        { head: "Subject", kind: "wide", cell: ({ subject }) => subject },
        { head: "Tags", cell: ({ tags }) => tags?.join(", ") ?? "–" },
        { head: "Attempts", kind: "number", cell: ({ attempts }) => attempts },
      ]}
    />
  );
}
