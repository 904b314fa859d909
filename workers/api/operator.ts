import { json, type Handler } from "./call.ts";

/** Who calls, as the audit log and the breakers' histories name them. */
export const getOperator: Handler<"getOperator"> = async ({
  caller: { title, actor, name, scopes },
}) => json({ role: title ?? "scoped", actor, ...(name !== null && { name }), scopes });
