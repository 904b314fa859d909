import { toJsonSchemaDefs, type ConversionConfig, type JsonSchema } from "@valibot/to-json-schema";
import * as v from "valibot";
import { descriptionOf } from "./described.ts";

/** What was made of schemas: the named ones are components, to which the others refer. */
export type JsonSchemas = {
  components: Record<string, JsonSchema>;
  /** The JSON Schema of one of the schemas. */
  of(schema: v.GenericSchema): JsonSchema;
};

const config: ConversionConfig = {
  target: "draft-2020-12",
  typeMode: "input",
  // JSON Schema cannot express every rule, such as "at least one of these". The server names the
  // field in its answer.
  errorMode: "ignore",
  overrideRef: ({ referenceId }) => `#/components/schemas/${referenceId}`,
  // Generators take a field with a `default` for one that is always there, also in a request.
  overrideSchema({ valibotSchema, jsonSchema: { default: fallback, ...rest } }) {
    return valibotSchema.type !== "optional" || fallback === undefined
      ? undefined
      : { ...rest, description: `Default: ${JSON.stringify(fallback)}.` };
  },
};

/** The place of the tuple of all schemas among the definitions. No name has a space. */
const ALL = "all schemas";

/**
 * Converts schemas to JSON Schema. Pure.
 *
 * @throws Error if two schemas have one name
 */
export function jsonSchemas(schemas: readonly v.GenericSchema[]): JsonSchemas {
  const named = new Map<string, v.GenericSchema>();
  const seen = new Set<v.GenericSchema>();
  for (const schema of schemas) addNamed(schema, named, seen);
  // One conversion of all: each alone would convert all components again. A component that is
  // described by another schema gets the conversion of that one.
  const rewritten = [...named].filter(([, schema]) => descriptionOf(schema) !== schema);
  const items = [
    ...rewritten.map(([, schema]) => descriptionOf(schema)),
    ...schemas.map((schema) => (nameOf(schema) === null ? descriptionOf(schema) : schema)),
  ];
  const definitions = { ...Object.fromEntries(named), [ALL]: v.tuple(items) };
  const { [ALL]: all, ...components }: Record<string, JsonSchema> = toJsonSchemaDefs(
    definitions,
    config,
  );
  const converted = (all?.prefixItems ?? []) as JsonSchema[];
  for (const [place, [name]] of rewritten.entries()) components[name] = converted[place] ?? {};
  const places = new Map(schemas.map((schema, place) => [schema, rewritten.length + place]));
  return {
    components,
    of(schema) {
      const json = converted[places.get(schema) ?? -1];
      if (json === undefined) throw new Error("a schema that was not converted");
      return json;
    },
  };
}

/** Null for a schema without a name, and for one that was made of a named one. */
function nameOf(schema: v.GenericSchema): string | null {
  const last = (schema as { pipe?: { type: string }[] }).pipe?.at(-1);
  return last?.type === "title" ? (v.getTitle(schema) ?? null) : null;
}

type Parts = {
  entries?: Record<string, v.GenericSchema>;
  options?: unknown[];
  item?: v.GenericSchema;
  wrapped?: v.GenericSchema;
  value?: v.GenericSchema;
};

function addNamed(
  schema: v.GenericSchema,
  named: Map<string, v.GenericSchema>,
  seen: Set<v.GenericSchema>,
): void {
  if (seen.has(schema)) return;
  seen.add(schema);
  const name = nameOf(schema);
  if (name !== null) {
    if (named.has(name)) throw new Error(`two schemas have the name ${name}`);
    named.set(name, schema);
  }
  const described = descriptionOf(schema);
  const { entries, options, item, wrapped, value } = described as unknown as Parts;
  const parts = [...Object.values(entries ?? {}), ...(options ?? []), item, wrapped, value];
  for (const part of parts) if (isSchema(part)) addNamed(part, named, seen);
}

/** The options of a picklist are values. */
const isSchema = (part: unknown): part is v.GenericSchema =>
  typeof part === "object" && part !== null && "kind" in part && part.kind === "schema";
