declare module "textlint-rule-terminology" {
  import type { TextlintRuleModule } from "@textlint/kernel";

  const rule: TextlintRuleModule;
  // oxlint-disable-next-line import/no-default-export -- what the package exports
  export default rule;
}
