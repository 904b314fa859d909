import { useState } from "preact/hooks";
import { useResource } from "../resource.ts";
import { linkTo } from "../router.ts";
import { templateState } from "../template-state.ts";
import { Section, State, Time } from "../ui/bits.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Table } from "../ui/table.tsx";

export function TemplatesPage() {
  const list = useResource("listTemplates");
  return (
    <Loaded reading={list} lines={12}>
      {({ items }) => (
        <>
          <p class="lead">
            Emails name a template in <code>template</code>. A template with the name of a built-in
            one replaces it, also in Luna's own emails. Tenants store their own templates by the
            API.
          </p>
          <Table
            caption="Templates by name"
            rows={items}
            keyOf={({ name }) => name}
            empty="There is no template."
            columns={[
              {
                head: "Template",
                kind: "wide",
                cell: ({ name }) => <a href={linkTo("templates", name)}>{name}</a>,
              },
              {
                head: "State",
                cell: (template) => {
                  const { tone, text } = templateState(template);
                  return <State tone={tone}>{text}</State>;
                },
              },
              { head: "Latest", cell: ({ latestVersion }) => latestVersion ?? "–" },
              {
                head: "Changed",
                cell: ({ updatedAt }) => (updatedAt === undefined ? "–" : <Time at={updatedAt} />),
              },
            ]}
          />
          <Add />
        </>
      )}
    </Loaded>
  );
}

function Add() {
  const [name, setName] = useState("");
  const isName = /^[a-z0-9-]{1,64}$/.test(name);
  return (
    <Section title="Write a template">
      <form
        class="form"
        onSubmit={(event) => {
          event.preventDefault();
          if (isName) location.hash = linkTo("templates", name);
        }}
      >
        <label>
          Name, such as order-shipped
          <input
            type="text"
            value={name}
            autocomplete="off"
            spellcheck={false}
            onInput={({ currentTarget }) => setName(currentTarget.value.trim())}
          />
        </label>
        <button type="submit" disabled={!isName}>
          Write
        </button>
      </form>
    </Section>
  );
}
