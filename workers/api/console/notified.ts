import type { AnswerBody } from "./api.ts";

/** Which channels took a notice. Pure. */

type Channel = AnswerBody<"listAlerts">["channels"][number];
type Taken = { emailAt?: string | undefined; webhookAt?: string | undefined };

/** A channel, with when it took the notice. Null: it has not yet. */
export type Notified = { channel: Channel; at: string | null };

/**
 * The channels that took a notice, and the configured ones that have not yet. Empty: nobody was or
 * will be notified.
 */
export function notifiedBy(
  { emailAt, webhookAt }: Taken,
  channels: readonly Channel[],
): Notified[] {
  const times = { email: emailAt, webhook: webhookAt } as const;
  return (["email", "webhook"] as const).flatMap((channel): Notified[] => {
    const at = times[channel];
    if (at !== undefined) return [{ channel, at }];
    return channels.includes(channel) ? [{ channel, at: null }] : [];
  });
}
