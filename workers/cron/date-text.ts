/** A day as people write it, such as `25 November 2026`, in UTC. */
export const dateText = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
