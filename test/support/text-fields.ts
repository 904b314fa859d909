import type * as v from "valibot";

/** A field of an input that can hold text. `path`: names, and positions in lists. */
export type TextField = { path: (string | number)[]; schema: v.GenericSchema };

type Shape = {
  type: string;
  entries?: Record<string, v.GenericSchema>;
  options?: unknown[];
  item?: v.GenericSchema;
  value?: v.GenericSchema;
  wrapped?: v.GenericSchema;
  getter?: (input: unknown) => v.GenericSchema;
};

/** Every field of a schema that can hold text, at any depth. */
export function textFields(schema: v.GenericSchema, path: (string | number)[] = []): TextField[] {
  const { type, entries = {}, options = [], ...inner } = schema as unknown as Shape;
  const { item, value, wrapped, getter } = inner;
  switch (type) {
    case "strict_object":
      return Object.entries(entries).flatMap(([name, one]) => textFields(one, [...path, name]));
    case "array":
      return item === undefined ? [] : textFields(item, [...path, 0]);
    case "record":
      return value === undefined ? [] : textFields(value, [...path, "X-Any"]);
    case "optional":
    case "nullable":
      return wrapped === undefined ? [] : textFields(wrapped, path);
    case "lazy":
      // An attachment: by what it is, without an id or with one.
      return [{}, { id: "" }].flatMap((input) =>
        getter === undefined ? [] : textFields(getter(input), path),
      );
    case "union":
      return options.flatMap((one) => textFields(one as v.GenericSchema, path));
    case "string":
    case "picklist":
    case "unknown":
      return [{ path, schema }];
    case "number":
    case "boolean":
    case "literal":
      return [];
    default:
      throw new Error(`textFields does not know the schema ${type} at ${path.join(".")}`);
  }
}

/** A copy of `value` with `put` at the path. What is missing on the way is made. */
export function withAt(value: unknown, path: (string | number)[], put: unknown): unknown {
  const [first, ...rest] = path;
  if (first === undefined) return put;
  if (typeof first === "number") {
    const list = Array.isArray(value) ? [...(value as unknown[])] : [];
    list[first] = withAt(list[first], rest, put);
    return list;
  }
  const fields = typeof value === "object" && value !== null ? value : {};
  return { ...fields, [first]: withAt((fields as Record<string, unknown>)[first], rest, put) };
}
