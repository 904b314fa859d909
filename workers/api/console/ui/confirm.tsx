import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { CalledOperation, CallOutcome } from "../api.ts";
import { refreshAll } from "../resource.ts";
import { useDenyReason } from "../session.ts";
import { announce } from "./announce.tsx";

type Wanted = {
  /** The text of the button. With `of`, the object of the action, the heading of the dialog. */
  label: string;
  of?: string;
  /** Why the button is disabled. */
  lacks?: string | undefined;
  /** What the action does. */
  explains: ComponentChildren;
  /** Whether a reason is required; null: not asked. */
  reason?: "required" | null;
  /** Of both buttons: an action that destroys or overrides must not look like any other. */
  tone?: "danger";
  /** The heading of the dialog, if the text of the button is too short for it. */
  heading?: string;
  /** Announced after success. */
  done: string | ((body: unknown) => string);
  /** What `act` calls: who may not call it finds the button disabled. */
  operation: CalledOperation;
  act: (reason: string) => Promise<CallOutcome<unknown>>;
  /** Called after success, for example to leave a page whose object is gone. */
  after?: () => void;
};

/**
 * A write behind a dialog that explains it. For an operator who may not do it the button is
 * disabled and gives the reason.
 */
export function Action({ lacks, operation, ...wanted }: Wanted) {
  const { label, of, tone } = wanted;
  const denyReason = useDenyReason(operation);
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <button
        type="button"
        class={tone === "danger" ? "danger" : undefined}
        aria-label={of === undefined ? undefined : `${label} ${of}`}
        disabled={denyReason !== undefined || lacks !== undefined}
        title={denyReason ?? lacks}
        onClick={() => setOpen(true)}
      >
        {label}
      </button>
      {isOpen && <Dialog {...wanted} close={() => setOpen(false)} />}
    </>
  );
}

function Dialog({
  label,
  of,
  explains,
  reason = null,
  tone,
  done,
  act,
  after,
  close,
  heading = of === undefined ? label : `${label} ${of}`,
}: Omit<Wanted, "lacks" | "operation"> & { close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [why, setWhy] = useState("");
  const [state, setState] = useState<"asking" | "acting" | { wrong: string }>("asking");
  useEffect(() => dialog.current?.showModal(), []);

  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setState("acting");
    const outcome = await act(why.trim());
    // After the operator has left the dialog or the page, only announce the result.
    const isLeft = dialog.current?.open !== true;
    if (!outcome.ok) {
      const wrong = `${outcome.title}. ${outcome.detail}`;
      return isLeft ? announce(`${heading}: ${wrong}`, "bad") : setState({ wrong });
    }
    announce(typeof done === "string" ? done : done(outcome.body));
    dialog.current?.close();
    if (!isLeft) after?.();
    await refreshAll();
  };

  return (
    <dialog ref={dialog} aria-labelledby="dialog-title" onClose={close}>
      <form onSubmit={(event) => void submit(event)}>
        <h2 id="dialog-title">{heading}</h2>
        <div class="explains">{explains}</div>
        {reason === "required" && (
          <label>
            Reason, for the history
            <input
              required
              maxLength={500}
              value={why}
              autoFocus
              autocomplete="off"
              onInput={({ currentTarget }) => setWhy(currentTarget.value)}
            />
          </label>
        )}
        {typeof state === "object" && (
          <p class="failing" role="alert">
            {state.wrong}
          </p>
        )}
        <div class="buttons">
          <button type="button" class="quiet" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button
            type="submit"
            class={tone === "danger" ? "danger" : "primary"}
            disabled={state === "acting"}
          >
            {state === "acting" ? "Working…" : label}
          </button>
        </div>
      </form>
    </dialog>
  );
}
