import { Store, useStore } from "../store.ts";

/** What has just happened, for eyes and for screen readers. */
type Announcement = { text: string; tone: "good" | "bad"; key: number };
const latest = new Store<Announcement | null>(null);

export function announce(text: string, tone: Announcement["tone"] = "good"): void {
  latest.value = { text, tone, key: (latest.value?.key ?? 0) + 1 };
}

export function Announcements() {
  const now = useStore(latest);
  return (
    <div class="announcements" role="status" aria-live="polite">
      {now !== null && (
        <p key={now.key} class={`announcement ${now.tone}`}>
          <span>{now.text}</span>
          <button type="button" class="quiet" onClick={() => (latest.value = null)}>
            Dismiss
          </button>
        </p>
      )}
    </div>
  );
}
