import type { ComponentChildren } from "preact";
import type { CalledOperation } from "../api.ts";
import { useDenyReason } from "../session.ts";
import { Empty } from "./bits.tsx";

/** Shows its children to an operator who may call the operation, and the reason to any other. */
export function Readable({
  operation,
  children,
}: {
  operation: CalledOperation;
  children: ComponentChildren;
}) {
  const denyReason = useDenyReason(operation);
  return denyReason === undefined ? <>{children}</> : <Empty>{denyReason}</Empty>;
}
