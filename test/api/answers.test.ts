import { describe, expect, it, vi } from "vitest";
import type { Access } from "../../shared/contract/operation.ts";
import { operations } from "../../shared/contract/operations.ts";
import { problemsByStatus } from "../../shared/contract/problems.ts";
import type { Answer } from "../support/http.ts";
import { ask } from "../support/produce.ts";
import { callDefective, callWith } from "./support.ts";

/**
 * Every answer that the document describes is given by the Worker, and is as described: `call` sees
 * to that. Those that customers of the product see are under its brand.
 */

const acme = { PRODUCT_NAME: "Acme", PUBLIC_URL: "https://api.acme.example" };

const forCustomers: ReadonlySet<Access> = new Set<Access>([
  "anyone",
  "user",
  "reader",
  "caller",
  "self",
  "mailer",
]);

/** What was made before the brand was set, or is a name that was released: see configuration.md. */
const released =
  /urn:luna:problem:|luna_scrape_ok|"luna_[\w-]{7}"|Luna <hello@luna\.example>|Welcome to Luna/g;

function shownIn({ headers, text }: Answer): string {
  const lines = [text];
  headers.forEach((value, name) => lines.push(`${name}: ${value}`));
  return lines.join("\n").replaceAll(released, "");
}

const cases = operations.flatMap((operation) => {
  const statuses = new Set([
    ...Object.keys(operation.answers).map(Number),
    ...problemsByStatus(operation).keys(),
  ]);
  return [...statuses].map((status) => ({ id: operation.id, status, operation }));
});

describe.each(cases)("$id", ({ operation, status }) => {
  it(`answers ${status}`, async () => {
    for (const level of ["warn", "error"] as const) vi.spyOn(console, level).mockReturnValue();
    const { path, body, bindings, defect, ...options } = await ask(operation, status);
    const send = defect === true ? callDefective : callWith({ ...acme, ...bindings });
    const answer = await send(operation.method, path, body, { ...options, text: true });
    expect(answer.status).toBe(status);
    const shown = forCustomers.has(operation.access) ? shownIn(answer) : "";
    expect(shown).not.toMatch(/luna/i);
    vi.restoreAllMocks();
  });
});
