import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { SMTPServer } from "smtp-server";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { useStack } from "./support.ts";

/** With a certificate of its own, which nobody has signed. */
async function listen(secure: boolean): Promise<{ port: number; close: () => void }> {
  const server = new SMTPServer({ secure, disableReverseLookup: true, authOptional: true });
  // The client goes away in the handshake.
  server.on("error", () => undefined);
  const listening = server.listen(0, "127.0.0.1");
  await once(listening, "listening");
  return { port: (listening.address() as AddressInfo).port, close: () => server.close() };
}
const [starttls, tls] = [await listen(false), await listen(true)];
afterAll(() => {
  starttls.close();
  tls.close();
});

describe("SMTP_HOST=localhost", () => {
  const stack = useStack({ SMTP_HOST: "localhost" });

  it("is resolved by the runtime, as each other name is", async () => {
    const id = await stack.send("ada@example.com");
    expect((await stack.until(id, "sent")).attempts).toBe(1);
  });
});

describe.each([
  ["starttls", "STARTTLS", starttls.port],
  ["tls", "TLS", tls.port],
] as const)("SMTP_SECURITY=%s", (security, phase, port) => {
  const stack = useStack({
    SMTP_HOST: "localhost",
    SMTP_PORT: String(port),
    SMTP_SECURITY: security,
    EMAIL_MAX_RETRIES: "0",
    EMAIL_RETRY_WINDOW_HOURS: "0",
    EMAIL_MAX_WAIT_HOURS: "0",
  });

  // The runtime prints the handshake in lines of its own.
  afterEach(() => stack.server.clearLogs());

  it("reports a certificate that is not trusted with phase and reason, and hands nothing over", async () => {
    const id = await stack.send("ada@example.com");
    const { lastError } = await stack.until(id, "dead");
    expect(lastError).toMatchObject({ transport: "smtp", phase });
    expect(lastError.text).toBe(
      "TLS handshake failed: the certificate is not trusted, or not valid for localhost",
    );
  });
});
