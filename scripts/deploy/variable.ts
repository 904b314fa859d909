import type { TransportName } from "../../shared/email/rules/transports.ts";
import type { Variables } from "../../workers/env.ts";
import type { Worker } from "./environments.ts";

/** When a deployment cannot do without it. */
export type Need = "always" | `by ${TransportName}` | "no";
export type Variable = { name: keyof Variables; secret: boolean; need: Need; meaning: string };

/** The variables that one function of the settings validates, and the Workers that call it. */
export type Group = { reader: string; workers: Worker[]; variables: Variable[] };

export const secret = (name: keyof Variables, need: Need, meaning: string): Variable => ({
  name,
  secret: true,
  need,
  meaning,
});

export const plain = (name: keyof Variables, need: Need, meaning: string): Variable => ({
  name,
  secret: false,
  need,
  meaning,
});
