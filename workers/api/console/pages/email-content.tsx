import { useState } from "preact/hooks";
import type { AnswerBody } from "../api.ts";
import { hasRemote } from "../email-frame.ts";
import { contentChoices } from "../filters.ts";
import { useReading } from "../resource.ts";
import { linkTo } from "../router.ts";
import { call, session } from "../session.ts";
import { useStore } from "../store.ts";
import { Empty, Raw, Section } from "../ui/bits.tsx";
import { Chips } from "../ui/find.tsx";
import { HtmlFrame } from "../ui/html-frame.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Table } from "../ui/table.tsx";

/** A content does not change. */
const CONTENT_EVERY_MS = 3_600_000;

type Part = (typeof contentChoices)[number];
type Email = AnswerBody<"getEmail">;
type Body = NonNullable<Email["content"]>;
type Shown = { email: Email; query: URLSearchParams; show: Part | undefined };

/** What the recipient gets. */
export function Content(shown: Shown) {
  const who = useStore(session);
  return (
    <Section title="Content">
      {who.state === "signed-in" && who.role === "viewer" ? (
        <Empty>The role viewer gets no content, because an email may contain a secret.</Empty>
      ) : (
        <Kept {...shown} />
      )}
    </Section>
  );
}

function Kept({ email: { id, ...head }, query, show }: Shown) {
  const email = useReading<"getEmail">(
    JSON.stringify(["content", id]),
    () => call("getEmail", { params: { id }, query: { content: "true" } }),
    CONTENT_EVERY_MS,
  );
  return (
    <Loaded reading={email} lines={8}>
      {({ content }) =>
        content === undefined ? (
          <Empty>It was deleted after EMAIL_CONTENT_RETENTION_DAYS.</Empty>
        ) : (
          <>
            <Chips
              label="Part"
              value={show ?? (content.html === undefined ? "text" : "html")}
              values={contentChoices}
              hrefOf={(part) => linkTo("email", id, { ...Object.fromEntries(query), show: part })}
            />
            <Parts head={head} content={content} show={show} />
            <Files content={content} />
          </>
        )
      }
    </Loaded>
  );
}

type Head = Omit<Email, "id">;

function Parts({ head, content, show }: { head: Head; content: Body; show: Part | undefined }) {
  const { html, text, headers = {} } = content;
  switch (show ?? (html === undefined ? "text" : "html")) {
    case "html":
      return html === undefined ? <Empty>It has no HTML.</Empty> : <Html html={html} />;
    case "text":
      return text === undefined ? (
        <Empty>It has no text: each transport makes it from the HTML.</Empty>
      ) : (
        <Raw value={text} />
      );
    case "headers":
      return <Headers head={head} headers={headers} />;
  }
}

/** Those that its sender decided. The transport adds its own. */
function Headers({ head, headers }: { head: Head; headers: Record<string, string> }) {
  const { from, subject, recipients, replyTo } = head;
  const of = (wanted: string): string =>
    recipients
      .filter(({ kind }) => kind === wanted)
      .map(({ name, address }) => (name === undefined ? address : `${name} <${address}>`))
      .join(", ");
  const rows = [
    ["From", from],
    ["To", of("to")],
    ["Cc", of("cc")],
    ["Bcc (not sent)", of("bcc")],
    ["Reply-To", replyTo?.join(", ") ?? ""],
    ["Subject", subject],
    ...Object.entries(headers),
  ].filter(([, value]) => value !== "");
  return (
    <Table
      caption="Headers"
      rows={rows}
      keyOf={([name = ""]) => name}
      empty="None."
      columns={[
        { head: "Header", cell: ([name]) => name },
        { head: "Value", kind: "wide", cell: ([, value]) => value },
      ]}
    />
  );
}

/** In a frame that runs no script and loads nothing, unless remote images are asked for. */
function Html({ html }: { html: string }) {
  const [withImages, setWithImages] = useState(false);
  return (
    <>
      {hasRemote(html) && !withImages && (
        <p>
          Remote images are not loaded: their server could notice that the email was opened.{" "}
          <button type="button" onClick={() => setWithImages(true)}>
            Load remote images
          </button>
        </p>
      )}
      <HtmlFrame title="The content of the email" html={html} withImages={withImages} />
    </>
  );
}

function Files({ content: { attachments = [] } }: { content: Body }) {
  if (attachments.length === 0) return null;
  return (
    <p>
      Attached:{" "}
      {attachments.map(({ filename, contentType }) => `${filename} (${contentType})`).join(", ")}
    </p>
  );
}
