import type { ComponentChildren } from "preact";
import { useNow } from "../clock.ts";
import { exactText, relativeText } from "../format.ts";

export type Tone = "good" | "warn" | "bad" | "idle";

/** A state, by word, shape and colour together. */
export function State({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return (
    <span class={`state ${tone}`}>
      <svg class="shape" viewBox="0 0 12 12" aria-hidden="true">
        {tone === "good" && <circle cx="6" cy="6" r="5" />}
        {tone === "warn" && <path d="M6 1 11.5 11H.5Z" />}
        {tone === "bad" && <path d="M1 1h10v10H1Z" />}
        {tone === "idle" && (
          <circle cx="6" cy="6" r="4" fill="none" stroke="currentColor" stroke-width="2" />
        )}
      </svg>
      {children}
    </span>
  );
}

/** A time relative to now; its tooltip has the exact time. */
export function Time({ at }: { at: string | number }) {
  const now = useNow();
  const ms = typeof at === "number" ? at : Date.parse(at);
  return (
    <time dateTime={new Date(ms).toISOString()} title={exactText(ms)}>
      {relativeText(ms, now)}
    </time>
  );
}

export function Section({
  title,
  aside,
  children,
}: {
  title: string;
  aside?: ComponentChildren;
  children: ComponentChildren;
}) {
  const id = `section-${title.toLowerCase().replace(/\W+/g, "-")}`;
  return (
    <section aria-labelledby={id}>
      <div class="section-head">
        <h2 id={id}>{title}</h2>
        {aside}
      </div>
      {children}
    </section>
  );
}

/** A few key figures. */
export function Facts({
  facts,
}: {
  facts: [name: string, value: ComponentChildren, tone?: Tone][];
}) {
  return (
    <dl class="facts">
      {facts.map(([name, value, tone]) => (
        <div key={name} class={tone === undefined ? "fact" : `fact ${tone}`}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}

/** Machine output, unchanged. */
export function Raw({ value }: { value: unknown }) {
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  return (
    <pre class="raw" tabIndex={0}>
      {text}
    </pre>
  );
}
