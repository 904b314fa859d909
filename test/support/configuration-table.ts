import { groups, type Variable } from "../../scripts/deploy/variables.ts";

const needs: Record<Variable["need"], string> = {
  always: "yes",
  "by smtp": "for `smtp`",
  "by resend": "for `resend`",
  no: "",
};

/**
 * The rows of docs/configuration.md.
 *
 * @param defaults what holds for a variable that is not set
 */
export function configurationRows(defaults: ReadonlyMap<string, string>): string[] {
  return groups.flatMap(({ workers, variables }) =>
    variables.map(({ name, secret, need, meaning }) => {
      const fallback = defaults.get(name);
      return `| \`${name}\` | ${secret ? "secret" : "variable"} | ${workers.join(", ")} | ${needs[need]} | ${fallback === undefined ? "" : `\`${fallback}\``} | ${meaning} |`;
    }),
  );
}
