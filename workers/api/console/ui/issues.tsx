import { runbookLink, type Issue } from "../issue.ts";
import { State, Time } from "./bits.tsx";

/** What is wrong, each with its cause and what to press. */
export function Issues({ issues }: { issues: readonly Issue[] }) {
  if (issues.length === 0) return null;
  return (
    <ul class="issues">
      {issues.map((one) => (
        // Not by its text, which changes: a new element would take the focus from its links.
        <li key={one.key} class={one.tone}>
          <IssueLine issue={one} />
        </li>
      ))}
    </ul>
  );
}

function IssueLine({ issue }: { issue: Issue }) {
  const { needs, tone, text, detail, since, link, press } = issue;
  return (
    <>
      <State tone={tone}>{text}</State>
      <span class="since">
        {needs === "luna" && "Luna is handling it"}
        {needs === "luna" && since !== null && ", "}
        {since !== null && (
          <>
            since <Time at={since} />
          </>
        )}
      </span>
      <span class="links">
        <a href={runbookLink(issue)}>Runbook</a> <a href={link}>{press}</a>
      </span>
      {detail !== null && <p class="said">{detail}</p>}
    </>
  );
}
