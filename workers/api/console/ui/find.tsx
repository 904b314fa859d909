/** A field of a form. `search`: for what is looked for in a list. */
export function Field({
  label,
  value,
  type = "text",
  onInput,
}: {
  label: string;
  value: string;
  type?: "text" | "search" | "date";
  onInput: (value: string) => void;
}) {
  const common = {
    value,
    autocomplete: "off",
    spellcheck: false,
    onInput: ({ currentTarget }: { currentTarget: HTMLInputElement }) =>
      onInput(currentTarget.value),
  };
  return (
    <label>
      {label}
      {type === "date" && <input type="date" {...common} />}
      {type === "search" && <input type="search" {...common} />}
      {type === "text" && <input type="text" {...common} />}
    </label>
  );
}

/** One of a list of values, or any. */
export function Choice<Value extends string>({
  label,
  value,
  values,
  onChoose,
}: {
  label: string;
  value: Value | undefined;
  values: readonly Value[];
  /** Gets "" for any. */
  onChoose: (value: string) => void;
}) {
  return (
    <label>
      {label}
      <select value={value ?? ""} onChange={({ currentTarget }) => onChoose(currentTarget.value)}>
        <option value="">any</option>
        {values.map((one) => (
          <option key={one} value={one}>
            {one}
          </option>
        ))}
      </select>
    </label>
  );
}

/** One of a list of values as links: each is one press away, and has an address. */
export function Chips({
  label,
  value,
  values,
  hrefOf,
}: {
  label: string;
  value: string | undefined;
  /** Undefined: any. */
  values: readonly (string | undefined)[];
  hrefOf: (value: string | undefined) => string;
}) {
  return (
    <ul class="chips" aria-label={label}>
      {values.map((one) => (
        <li key={one ?? ""}>
          <a href={hrefOf(one)} aria-current={one === value ? "true" : undefined}>
            {one ?? "any"}
          </a>
        </li>
      ))}
    </ul>
  );
}
