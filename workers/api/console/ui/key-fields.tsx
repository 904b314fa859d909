import type { ComponentChildren } from "preact";
import { roleChoices, scopeChoicesOf, type KeyForm, type KeyOwner } from "../key-state.ts";
import { Field } from "./find.tsx";

/** The fields of a new key. */
export function KeyFields({
  kind,
  form,
  onChange,
}: {
  kind: KeyOwner;
  form: KeyForm;
  onChange: (form: KeyForm) => void;
}) {
  const { name, role, scopes, day, test } = form;
  const change = (changed: Partial<KeyForm>): void => onChange({ ...form, ...changed });
  return (
    <>
      <div class="form">
        <Field label="Name" value={name} onInput={(text) => change({ name: text })} />
        <Field
          label="Expires at the beginning of (UTC, optional)"
          type="date"
          value={day}
          onInput={(text) => change({ day: text })}
        />
        {kind === "Operator" ? (
          <label>
            Role
            <select
              value={role ?? ""}
              onChange={({ currentTarget: { value } }) =>
                change({ role: roleChoices.find((one) => one === value) })
              }
            >
              <option value="">none: chosen scopes</option>
              {roleChoices.map((one) => (
                <option key={one}>{one}</option>
              ))}
            </select>
          </label>
        ) : (
          <Check
            label="For tests: its emails go nowhere"
            value={test}
            onChange={(isTest) => change({ test: isTest })}
          />
        )}
      </div>
      {role === undefined && (
        <fieldset class="choices">
          <legend>Scopes</legend>
          {scopeChoicesOf[kind].map((scope) => (
            <Check
              key={scope}
              label={<Scope name={scope} />}
              value={scopes.includes(scope)}
              onChange={(isChosen) =>
                change({
                  scopes: [...scopes.filter((one) => one !== scope), ...(isChosen ? [scope] : [])],
                })
              }
            />
          ))}
        </fieldset>
      )}
    </>
  );
}

/** On a small screen it breaks after the colon. */
function Scope({ name }: { name: string }) {
  const [area, what] = name.split(":");
  return (
    <span>
      {area}:<wbr />
      {what}
    </span>
  );
}

function Check({
  label,
  value,
  onChange,
}: {
  label: ComponentChildren;
  value: boolean;
  onChange: (value: boolean) => void;
}) {
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={value}
        onChange={({ currentTarget }) => onChange(currentTarget.checked)}
      />
      {label}
    </label>
  );
}
