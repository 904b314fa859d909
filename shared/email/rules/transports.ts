import { cloudflare } from "../transports/rules/cloudflare.ts";
import { resend } from "../transports/rules/resend.ts";
import { ses } from "../transports/rules/ses.ts";
import { smtp } from "../transports/rules/smtp.ts";

/** The transports there are. Names, variables, rates and breakers follow from this list. */
const definitions = [smtp, cloudflare, resend, ses] as const;

type Definition = (typeof definitions)[number];
export type TransportName = Definition["name"];

/** By name, in the order of the list. */
export const transports = byTransport((definition) => definition) as {
  readonly [Name in TransportName]: Extract<Definition, { name: Name }>;
};
export const transportNames: readonly TransportName[] = definitions.map(({ name }) => name);

export type SettingsOf<Name extends TransportName> =
  ReturnType<(typeof transports)[Name]["readSettings"]> extends infer Read
    ? Extract<Read, { ok: true }> extends { value: infer Settings }
      ? Settings
      : never
    : never;

type VariableOf<One> = One extends Definition
  ? keyof One["notes"] | One["rate"]["variable"]
  : never;

/** The variables of all transports, as an environment has them. */
export type TransportVariables = {
  readonly [Name in VariableOf<Definition>]?: string | undefined;
};

/** One value per transport, by its name. */
export function byTransport<Value>(
  valueOf: (definition: Definition) => Value,
): Record<TransportName, Value> {
  return Object.fromEntries(
    definitions.map((definition) => [definition.name, valueOf(definition)]),
  ) as Record<TransportName, Value>;
}

const HOUR_MS = 3_600_000;
/**
 * A repeat that arrives when the provider has just forgotten the key would be a second email. The
 * hour covers clocks that disagree and slow requests.
 */
const MARGIN_MS = HOUR_MS;

/**
 * For how long after a hand-over an email may be repeated under the same key `id:generation`
 * without becoming a second email, in milliseconds; null if the provider recognizes no keys.
 */
export const idempotentForMs: Record<TransportName, number | null> = byTransport(
  ({ idempotentForMs: documented }) => (documented === null ? null : documented - MARGIN_MS),
);

/** The largest content that one of some transports takes, in bytes. */
export const largestContentBytes = (names: readonly TransportName[]): number =>
  Math.max(0, ...names.map((name) => transports[name].maxContentBytes));

/** The name of a transport's breaker. */
export function emailBreaker<Name extends TransportName>(name: Name): `email:${Name}` {
  return `email:${name}`;
}
