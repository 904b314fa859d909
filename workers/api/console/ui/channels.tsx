import type { AnswerBody } from "../api.ts";
import { notifiedBy } from "../notified.ts";
import { State, Time } from "./bits.tsx";

type Channels = AnswerBody<"listAlerts">["channels"];

/** Shown while no channel is configured: then nobody is notified of anything. */
export function NoChannel({ channels }: { channels: Channels }) {
  if (channels.length > 0) return null;
  return (
    <p class="banner warn">
      <State tone="warn">No alert channel is configured</State>
      <span>
        Nobody is notified: set <code>ALERT_EMAIL</code> or <code>ALERT_WEBHOOK_URL</code>.
      </span>
      <a href="runbooks/alerts-unheard">Runbook</a>
    </p>
  );
}

/**
 * Which channels took a notice, and when. An email is only queued then: Luna's own outbox sends it.
 */
export function NotifiedBy({
  notice,
  channels,
}: {
  notice: { emailAt?: string | undefined; webhookAt?: string | undefined };
  channels: Channels;
}) {
  const notified = notifiedBy(notice, channels);
  if (notified.length === 0) return <State tone="idle">nobody</State>;
  return (
    <>
      {notified.map(({ channel, at }) => (
        <div key={channel}>
          {at === null ? (
            `${channel}: not yet`
          ) : (
            <>
              {channel === "email" ? "email queued" : "webhook"} <Time at={at} />
            </>
          )}
        </div>
      ))}
    </>
  );
}
