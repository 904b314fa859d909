import type * as v from "valibot";

const descriptions = new WeakMap<v.GenericSchema, v.GenericSchema>();

/**
 * Describes a schema in the OpenAPI document by another one that accepts the same, where the rules
 * of the first cannot be written as JSON Schema.
 */
export function describedAs<Schema extends v.GenericSchema>(
  schema: Schema,
  as: v.GenericSchema,
): Schema {
  descriptions.set(schema, as);
  return schema;
}

export const descriptionOf = (schema: v.GenericSchema): v.GenericSchema =>
  descriptions.get(schema) ?? schema;
