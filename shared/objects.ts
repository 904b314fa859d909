import { objectLocation } from "./config.ts";
import type { Variables } from "./env.ts";

export type PlacementEnv = Pick<Variables, "OBJECT_LOCATION_HINT">;

/**
 * The object of that name. Where it lives is decided by its very first request, and by no other; so each may be the first. A bad
 * variable keeps nobody from an object: `npm start` and `npm run deploy` refuse it.
 */
export function objectNamed<Kind extends Rpc.DurableObjectBranded | undefined>(
  namespace: DurableObjectNamespace<Kind>,
  name: string,
  env: PlacementEnv,
): DurableObjectStub<Kind> {
  const location = objectLocation(env);
  return location.ok && location.value !== null ? namespace.getByName(name, { locationHint: location.value }) : namespace.getByName(name);
}
