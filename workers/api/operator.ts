import { fail } from "../../shared/lib/base/result.ts";
import { json, type Handler } from "./call.ts";

/** Who calls, as the audit log and the breakers' histories name them. */
export const getOperator: Handler = async ({ caller }) => {
  switch (caller.role) {
    case "admin":
    case "viewer":
      return json({ role: caller.role, actor: caller.actor });
    case "anonymous":
    case "user":
      return fail({ tag: "unauthenticated" });
  }
};
