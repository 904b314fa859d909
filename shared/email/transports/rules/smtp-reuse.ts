import type { Outcome } from "../../rules/outcome.ts";
import { isAboutConnection } from "./smtp-outcome.ts";

/**
 * What becomes of an SMTP connection after an email (RFC 5321, 4.1.1.5 and 4.1.1.10).
 *
 * | Observed | The connection |
 * |---|---|
 * | the email was accepted | takes the next email |
 * | it was refused, at MAIL or later | takes the next email after RSET |
 * | the server refused the session, ends it (421), or has lost its order (503) | ends with QUIT |
 * | no reply, or one that cannot be read | is closed: its state is not known |
 */
export function connectionAfter({ kind, detail }: Outcome): "reuse" | "reset" | "quit" | "close" {
  switch (kind) {
    case "accepted":
      return "reuse";
    case "unknown":
    case "deferred":
      return "close";
    case "refused_transient":
    case "refused_permanent":
    case "needs_time":
    case "rate_limited":
    case "server_failed":
      // Without a code it is larger than the size that the server has announced.
      if (detail.code === undefined) return kind === "refused_permanent" ? "reset" : "close";
      return !isAboutConnection(detail.code) && transaction.has(detail.phase) ? "reset" : "quit";
  }
}

const transaction = new Set(["MAIL FROM", "RCPT TO", "DATA", "BODY"]);
