import fc from "fast-check";
import type { Command } from "../../shared/lib/circuit-breaker/rules/transition.ts";

/** What operators do to a breaker, for the models. */
export const anyCommand = fc.constantFrom<Command>(
  { do: "reset" },
  { do: "open", forMs: null },
  { do: "open", forMs: 20_000 },
  { do: "close" },
  { do: "disable" },
  { do: "enable" },
);
