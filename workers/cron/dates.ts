import type { Brand } from "../../shared/email/brand.ts";

/** A day for readers, such as `25 November 2026`, in UTC. */
export const dateText = ({ language }: Brand): Intl.DateTimeFormat =>
  new Intl.DateTimeFormat(language, {
    day: "numeric",
    month: "long",
    year: "numeric",
    timeZone: "UTC",
  });

/** A number for readers, such as `12,403`. */
export const amountFormat = ({ language }: Brand): Intl.NumberFormat =>
  new Intl.NumberFormat(language);

/** A day as in keys and columns, such as `2026-11-25`, in UTC. */
export function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}
