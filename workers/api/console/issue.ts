/** One thing that is wrong. Pure. */

/**
 * `needs`: who has to act. Luna recovers by itself from what needs `luna`.
 * `key`: that of the alert condition, if there is one. `runbook`: the name of its page.
 */
export type Issue = {
  key: string;
  needs: "you" | "luna";
  tone: "bad" | "warn";
  text: string;
  detail: string | null;
  since: string | null;
  link: string;
  press: string;
  runbook: string;
};

export function issue(
  found: Omit<Issue, "since" | "detail" | "runbook"> & Partial<Pick<Issue, "since" | "detail">>,
): Issue {
  return { since: null, detail: null, ...found, runbook: runbookOf(found.key) };
}

/** The runbook by the beginning of the key; the first match wins. */
export const runbookOfKind: [kind: string, runbook: string][] = [
  ["database", "d1-down"],
  ["breaker:cache", "kv-down"],
  ["breaker:email", "provider-down"],
  ["breaker", "circuit-breaker-open"],
  ["overdue:oldest-due-job", "jobs-failing"],
  ["late:start-jobs", "jobs-failing"],
  ["jobs", "jobs-failing"],
  ["overdue", "task-overdue"],
  ["late", "task-overdue"],
  ["task", "task-overdue"],
  ["execution", "task-overdue"],
  ["email:due", "queue-stuck"],
  ["email:unknown", "unknown-emails"],
  ["email:waiting", "provider-down"],
  ["email:", "dead-letters-growing"],
  ["channel", "alerts-unheard"],
  ["purges", "old-data-served"],
  ["storage", "database-full"],
];

/** The address of an issue's runbook, with the word that its commands need. */
export function runbookLink({ key, runbook }: Pick<Issue, "key" | "runbook">): string {
  const [kind = "", ...rest] = key.split(":");
  const word = { breaker: "name", overdue: "task", late: "task", task: "task" }[kind];
  const query = word === undefined ? "" : `?${new URLSearchParams({ [word]: rest.join(":") })}`;
  return `runbooks/${runbook}${query}`;
}

function runbookOf(key: string): string {
  return runbookOfKind.find(([kind]) => key.startsWith(kind))?.[1] ?? "errors";
}
