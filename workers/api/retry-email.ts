import { writeDatabase } from "../../shared/database/write.ts";
import { notify } from "../../shared/email/notify.ts";
import { endWait } from "../../shared/email/sql/end-wait.ts";
import { fail } from "../../shared/lib/base/result.ts";
import { json, type Handler } from "./call.ts";
import { outboxOf } from "./outbox.ts";

/** Ends the wait of an email that a server, a rate or a full mailbox holds up. */
export const retryEmail: Handler<"retryEmail"> = async ({ params: { id }, env, now }) => {
  const write = () => endWait(env.DB, id, now);
  const ended = await writeDatabase(write, write);
  if (!ended.ok) return ended;
  if (ended.value === null) return fail({ tag: "not-found", what: "email" });
  if (!ended.value.ended) {
    return fail({
      tag: "wrong-state",
      detail: `Only an email that waits can be tried at once; this one is ${ended.value.status}.`,
    });
  }
  const { generation, dueAt } = ended.value;
  await notify(outboxOf(env), [{ id, generation, dueAt }], now);
  return json({ id, status: "queued", dueAt: new Date(dueAt).toISOString() });
};
