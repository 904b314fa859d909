import type * as v from "valibot";
import type { Result } from "../../../lib/base/result.ts";
import {
  readVariables,
  type Misconfigured,
  type VariablesOf,
} from "../../../lib/worker/variables.ts";
import type { Outcome } from "../../rules/outcome.ts";

/** What an operator must know of a variable. `isRequired`: if the transport is in use. */
export type VariableNote = { meaning: string; isSecret?: boolean; isRequired?: boolean };

type Given<Name extends string, Rate extends string, Schema extends v.GenericSchema, Settings> = {
  /** As `EMAIL_TRANSPORTS`, the breaker `email:<name>` and the rows of D1 have it. */
  name: Name;
  variables: Schema;
  /** A note for each variable: the configuration's documentation is made from them. */
  notes: { readonly [Variable in keyof v.InferInput<Schema>]-?: VariableNote };
  settings: (variables: v.InferOutput<Schema>) => Settings;
  /**
   * The most that files, HTML and text of an email may have together, before they are encoded. A
   * larger email goes to another transport.
   */
  maxContentBytes: number;
  /** Emails per second of the whole fleet by default; 0 for no limit. */
  rate: { variable: Rate; perSecond: number };
  /**
   * For how long after a hand-over, in milliseconds, the provider documents that it recognizes a
   * repeat by the key `id:generation`; null if it never does.
   */
  idempotentForMs: number | null;
  /** Whether an outcome is a failure of the provider, and not a refusal of one email. */
  countsAsFailure: (outcome: Outcome) => boolean;
};

export type TransportDefinition<
  Name extends string,
  Rate extends string,
  Schema extends v.GenericSchema,
  Settings,
> = Omit<Given<Name, Rate, Schema, Settings>, "settings" | "variables"> & {
  readSettings(env: VariablesOf<Schema>): Result<Settings, Misconfigured>;
};

/** A header of a message, the boundaries of its parts, and the lines of its recipients. */
const OVERHEAD_BYTES = 65_536;
/** Base64 in lines of 76 characters. */
const [BYTES_OF_LINE, LENGTH_OF_LINE] = [57, 78];

/** How much content a message has at most that has so many bytes once it is encoded. */
export const contentOf = (messageBytes: number): number =>
  Math.floor((messageBytes - OVERHEAD_BYTES) / LENGTH_OF_LINE) * BYTES_OF_LINE;

/** All that is known of a transport except the code that sends, which only the consumer loads. */
export function defineTransport<
  const Name extends string,
  const Rate extends `${Uppercase<Name>}_RATE_PER_SECOND`,
  Schema extends v.GenericSchema,
  Settings,
>({
  variables,
  settings,
  ...definition
}: Given<Name, Rate, Schema, Settings>): TransportDefinition<Name, Rate, Schema, Settings> {
  return {
    ...definition,
    readSettings(env) {
      const read = readVariables(variables, env);
      return read.ok ? { ok: true, value: settings(read.value) } : read;
    },
  };
}
