import * as v from "valibot";
import { ok, type Result } from "../base/result.ts";
import { readVariables, type Misconfigured, type VariablesOf } from "./variables.ts";

/**
 * Where Cloudflare may be asked to make an object
 * (https://developers.cloudflare.com/durable-objects/reference/data-location/#supported-locations).
 */
const locations = [
  "wnam",
  "enam",
  "sam",
  "weur",
  "eeur",
  "apac",
  "oc",
  "afr",
  "me",
] as const satisfies DurableObjectLocationHint[];

const placementVariables = v.object({
  OBJECT_LOCATION_HINT: v.optional(
    v.picklist(["", ...locations], `must be one of ${locations.join(", ")}`),
    "",
  ),
});

export type PlacementEnv = VariablesOf<typeof placementVariables>;

/** Near which place objects are made. null: near the first request. */
export function objectLocation(
  env: PlacementEnv,
): Result<(typeof locations)[number] | null, Misconfigured> {
  const read = readVariables(placementVariables, env);
  if (!read.ok) return read;
  return ok(read.value.OBJECT_LOCATION_HINT === "" ? null : read.value.OBJECT_LOCATION_HINT);
}

/**
 * The stub of the object with that name. The first request decides where the object lives, so each
 * request carries the hint. A bad variable is ignored here: `npm start` and `npm run deploy` refuse
 * it.
 */
export function getStub<Kind extends Rpc.DurableObjectBranded | undefined>(
  namespace: DurableObjectNamespace<Kind>,
  name: string,
  env: PlacementEnv,
): DurableObjectStub<Kind> {
  const location = objectLocation(env);
  return location.ok && location.value !== null
    ? namespace.getByName(name, { locationHint: location.value })
    : namespace.getByName(name);
}
