import { handOverKey } from "../rules/tag.ts";
import type { OutgoingEmail } from "./transport.ts";

type Given = Pick<
  OutgoingEmail,
  "id" | "generation" | "part" | "unsubscribeUrl" | "idHeader" | "headers"
>;

/**
 * The headers that an email has by any transport: Luna's own, and behind them those of its sender
 * under other names.
 */
export function headersOf({ headers, ...email }: Given): Record<string, string> {
  const own = ownHeaders(email);
  const names = new Set(Object.keys(own).map((name) => name.toLowerCase()));
  const others = Object.entries(headers).filter(([name]) => !names.has(name.toLowerCase()));
  return { ...own, ...Object.fromEntries(others) };
}

function ownHeaders({
  id,
  generation,
  part,
  unsubscribeUrl,
  idHeader,
}: Omit<Given, "headers">): Record<string, string> {
  return {
    ...(unsubscribeUrl !== null && {
      // RFC 8058: a mail client unsubscribes with one POST, without asking the person again.
      "List-Unsubscribe": `<${unsubscribeUrl}>`,
      "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }),
    [idHeader]: handOverKey({ id, generation, part }),
    "Auto-Submitted": "auto-generated",
  };
}
