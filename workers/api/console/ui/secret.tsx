import { useEffect, useRef } from "preact/hooks";

/** A secret that the API shows once. Only this part of the page has it, which is then in sight. */
export function Secret({ value, onHide }: { value: string; onHide: () => void }) {
  const banner = useRef<HTMLDivElement>(null);
  useEffect(() => banner.current?.scrollIntoView({ block: "center" }), [value]);
  return (
    <div class="banner warn" role="status" ref={banner}>
      <p>
        The secret, which is shown once: <code class="secret">{value}</code>
      </p>
      <button type="button" onClick={onHide}>
        I have stored it
      </button>
    </div>
  );
}
