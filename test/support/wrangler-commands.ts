import { experimental_getWranglerCommands } from "wrangler";

/** The installed Wrangler is the truth about its commands. */

type Flags = Record<string, { alias?: string | readonly string[] }>;
type Node = { definition?: { type: string; args?: Flags }; subtree: Map<string, Node> };

const { registry, globalFlags } = experimental_getWranglerCommands();

/**
 * @returns the names of what a command takes, without dashes, or null if there is no such command.
 * Words after the command are ignored
 */
export function flagsOf(command: string): ReadonlySet<string> | null {
  let node = registry as Node;
  for (const word of command.split(" ")) {
    const next = node.subtree.get(word);
    if (next === undefined) break;
    node = next;
  }
  if (node.definition?.type !== "command") return null;
  const named = Object.entries({ ...(globalFlags as Flags), ...node.definition.args });
  return new Set(named.flatMap(([name, { alias }]) => [name, alias ?? []].flat()));
}
