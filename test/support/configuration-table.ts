import { groups, type Variable } from "../../scripts/deploy/variables.ts";

function needed(need: Variable["need"]): string {
  if (need === "always") return "yes";
  return need === "no" ? "" : `for \`${need.replace("by ", "")}\``;
}

/**
 * The rows of docs/reference/configuration.md.
 *
 * @param defaults what holds for a variable that is not set
 */
export function configurationRows(defaults: ReadonlyMap<string, string>): string[] {
  return groups.flatMap(({ workers, variables }) =>
    variables.map(({ name, secret, need, meaning }) => {
      const fallback = defaults.get(name);
      return (
        `| \`${name}\` | ${secret ? "secret" : "variable"} | ${workers.join(", ")} | ` +
        `${needed(need)} | ${fallback === undefined ? "" : `\`${fallback}\``} | ${meaning} |`
      );
    }),
  );
}
