/** How urgent an alert is: the words of `docs/operate/alert-rules.yml`. Pure. */

/** A ticket waits until the morning. A page does not. Least urgent first. */
export const severities = ["ticket", "page"] as const;
export type Severity = (typeof severities)[number];

/** The alerts that page: users notice, or Luna can no longer report what it does. */
const pages = [
  "execution",
  "overdue:",
  "breaker:",
  "email:due",
  "email:waiting",
  "storage:95",
  "channel:",
];

export function severityOf(key: string): Severity {
  return pages.some((page) => (page.endsWith(":") ? key.startsWith(page) : key === page))
    ? "page"
    : "ticket";
}

/** What a channel takes that starts at a severity. */
export function severitiesFrom(least: Severity): Severity[] {
  return severities.slice(severities.indexOf(least));
}
