/** A secret that the API shows once. Only this part of the page has it. */
export function Secret({ value, onHide }: { value: string; onHide: () => void }) {
  return (
    <div class="banner warn" role="status">
      <p>
        The secret, which is shown once: <code class="secret">{value}</code>
      </p>
      <button type="button" onClick={onHide}>
        I have stored it
      </button>
    </div>
  );
}
