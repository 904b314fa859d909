import type { OutgoingEmail } from "./transport.ts";

/** The headers that an email has by any transport. */
export function headersOf({
  id,
  generation,
  unsubscribeUrl,
  idHeader,
}: Pick<OutgoingEmail, "id" | "generation" | "unsubscribeUrl" | "idHeader">): Record<
  string,
  string
> {
  return {
    ...(unsubscribeUrl !== null && {
      // RFC 8058: a mail client unsubscribes with one POST, without asking the person again.
      "List-Unsubscribe": `<${unsubscribeUrl}>`,
      "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }),
    [idHeader]: `${id}:${generation}`,
    "Auto-Submitted": "auto-generated",
  };
}
