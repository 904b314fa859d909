import * as v from "valibot";

type Issue = v.BaseIssue<unknown>;
type Run = v.RecordSchema<v.GenericSchema<string, string>, v.GenericSchema, undefined>["~run"];

/**
 * `v.record` of valibot drops the entries `__proto__`, `prototype` and `constructor` in silence.
 * This schema keeps every entry, each as an own property of a plain object.
 */
export function record<
  const Key extends v.GenericSchema<string, string>,
  const Value extends v.GenericSchema,
>(key: Key, value: Value): v.RecordSchema<Key, Value, undefined> {
  // oxlint-disable-next-line no-restricted-properties -- the one place that makes it safe
  const schema = v.record(key, value);
  const refuse = schema["~run"];
  const run: Run = (dataset, config) => {
    const input = dataset.value;
    if (typeof input !== "object" || input === null || Array.isArray(input))
      return refuse.call(schema, { value: null }, config) as ReturnType<Run>;
    const issues: Issue[] = [];
    let typed = true;
    const entries = Object.entries(input).map(([name, each]: [string, unknown]) => {
      const [named, checked] = [
        key["~run"]({ value: name }, config),
        value["~run"]({ value: each }, config),
      ];
      typed &&= named.typed && checked.typed;
      for (const issue of [...(named.issues ?? []), ...(checked.issues ?? [])])
        issues.push(within(input as Record<string, unknown>, name, issue));
      return [named.value, checked.value] as const;
    });
    // It makes own properties, also of `__proto__`.
    const output: unknown = Object.fromEntries(entries);
    return { typed, value: output, ...(issues.length > 0 && { issues }) } as ReturnType<Run>;
  };
  return Object.assign(schema, { "~run": run as typeof refuse });
}

/** An issue of an entry, with the entry in its path. */
function within(input: Record<string, unknown>, key: string, issue: Issue): Issue {
  const at = { type: "object", origin: "value", input, key, value: input[key] } as const;
  return { ...issue, path: [at, ...(issue.path ?? [])] };
}
