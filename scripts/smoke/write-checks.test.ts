import { expect, it } from "vitest";
import type { Operation } from "../../shared/contract/operation.ts";
import type { Target } from "./target.ts";
import { writeChecks } from "./write-checks.ts";

type Sent = { params?: { address?: string }; body?: { address?: string; email?: string } };

/** A Luna that welcomes a user and notifies them of their deletion. */
class Deployment {
  readonly suppressed = new Set<string>();
  readonly emails: { to: string; status: "queued" | "suppressed" | "sent" }[] = [];
  #userEmail = "";
  #reads = 0;

  call({ id }: Operation, { params, body }: Sent = {}): { body?: object; headers?: Headers } {
    switch (id) {
      case "suppress":
        this.suppressed.add(body?.address ?? "");
        return {};
      case "unsuppress":
        this.suppressed.delete(params?.address ?? "");
        return {};
      case "createUser":
        this.#userEmail = body?.email ?? "";
        this.emails.push({ to: this.#userEmail, status: "queued" });
        return { body: { apiKey: "key" } };
      case "deleteUser":
        this.emails.push({ to: this.#userEmail, status: "queued" });
        return {};
      case "getMe":
        return { body: { user: { userId: "smoke-tag" } } };
      case "getUser":
        this.#reads += 1;
        return { headers: new Headers({ "Cache-Status": `luna; ${this.#cacheStatus()}` }) };
      case "listEmails": {
        const items = structuredClone(this.emails);
        this.sendDue();
        return { body: { items } };
      }
      default:
        throw new Error(`the checks call ${id}`);
    }
  }

  #cacheStatus(): string {
    return this.#reads === 1 ? "fwd=uri-miss" : "hit";
  }

  sendDue(): void {
    for (const email of this.emails)
      if (email.status === "queued")
        email.status = this.suppressed.has(email.to) ? "suppressed" : "sent";
  }
}

it("an address stays suppressed until its last email has ended, that of the deletion too", async () => {
  const luna = new Deployment();
  const target = {
    call: async (operation: Operation, request?: Sent) => luna.call(operation, request),
    client: () => async () => ({ status: 401 }),
  } as unknown as Target;
  for (const { run } of writeChecks("tag")) await run(target);
  luna.sendDue();
  expect(luna.emails.map(({ status }) => status)).toEqual(["suppressed", "suppressed"]);
  expect([...luna.suppressed]).toEqual([]);
});
