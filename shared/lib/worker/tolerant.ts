import * as v from "valibot";

/** Reads what a later release wrote, which may have added fields. */

type Schema = v.GenericSchema;
type Wrapper = { wrapped: Schema; default: unknown };

const made = new WeakMap<Schema, Schema>();

/** Parses a value. If it has fields that the schema does not describe, they are left out. */
export function readTolerantly<Read extends Schema>(
  schema: Read,
  value: unknown,
): v.SafeParseResult<Read> {
  const parsed = v.safeParse(schema, value);
  return parsed.success ? parsed : (v.safeParse(tolerant(schema), value) as typeof parsed);
}

function tolerant(schema: Schema): Schema {
  const known = made.get(schema) ?? tolerantPipe(schema);
  made.set(schema, known);
  return known;
}

function tolerantPipe(schema: Schema): Schema {
  if (!("pipe" in schema)) return tolerantPart(schema);
  const [first, ...rest] = schema.pipe as [Schema, ...v.GenericPipeItem[]];
  return v.pipe(tolerantPart(first), ...rest);
}

function tolerantPart(schema: Schema): Schema {
  const given = schema as unknown as {
    entries: Record<string, Schema>;
    item: Schema;
    options: Schema[];
  } & Wrapper;
  switch (schema.type) {
    case "object":
    case "strict_object":
      return v.object(
        Object.fromEntries(
          Object.entries(given.entries).map(([name, entry]) => [name, tolerant(entry)]),
        ),
      );
    case "array":
      return v.array(tolerant(given.item));
    case "nullable":
      return v.nullable(tolerant(given.wrapped), given.default as never);
    case "optional":
      return v.optional(tolerant(given.wrapped), given.default as never);
    case "union":
      return v.union(given.options.map(tolerant));
    default:
      return schema;
  }
}
