import type * as v from "valibot";
import { expect, it } from "vitest";
import { eventSchemas } from "../../webhooks/rules/events.ts";
import type { Answer } from "../operation.ts";
import { operations } from "../operations.ts";

/** The kinds through which `tolerant` goes on to objects. */
const FOLLOWED = new Set(["object", "strict_object", "array", "nullable", "optional", "union"]);

type Node = v.GenericSchema & {
  entries?: Record<string, Node>;
  item?: Node;
  items?: Node[];
  key?: Node;
  options?: Node[];
  value?: unknown;
  wrapped?: Node;
};

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && "kind" in value && value.kind === "schema";

/** Strict objects that stand in a schema of another kind. */
function strictWithin({ type, ...schema }: Node, within: string | null): string[] {
  const inside = within ?? (FOLLOWED.has(type) ? null : type);
  const children = [
    ...Object.values(schema.entries ?? {}),
    ...(Array.isArray(schema.options) ? schema.options : []),
    ...(schema.items ?? []),
    schema.item,
    schema.wrapped,
    schema.value,
  ].filter(isNode);
  const own = type === "strict_object" && within !== null ? [within] : [];
  return [...own, ...children.flatMap((child) => strictWithin(child, inside))];
}

const isSchema = (answer: Answer): answer is Node => answer !== null && "kind" in answer;

it("no answer or event has an object in which an added field would be refused", () => {
  const schemas = [
    ...operations.flatMap(({ answers }) => Object.values(answers).filter(isSchema)),
    ...Object.values(eventSchemas),
  ];
  expect(schemas.length).toBeGreaterThan(100);
  expect(schemas.flatMap((schema) => strictWithin(schema as Node, null))).toEqual([]);
});
