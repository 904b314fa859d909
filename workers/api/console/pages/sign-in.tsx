import { useState } from "preact/hooks";
import { signIn } from "../session.ts";

export function SignInPage({ because }: { because: string | null }) {
  const [token, setToken] = useState("");
  const [state, setState] = useState<"idle" | "trying" | { wrong: string }>("idle");
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setState("trying");
    const wrong = await signIn(token.trim());
    if (wrong !== null) setState({ wrong });
  };
  const wrong = typeof state === "object" ? state.wrong : null;
  return (
    <main class="sign-in">
      <h1>Luna console</h1>
      {because !== null && <p role="status">{because}</p>}
      <form onSubmit={(event) => void submit(event)}>
        <label>
          Token
          <input
            type="password"
            required
            autoFocus
            autocomplete="current-password"
            value={token}
            aria-invalid={wrong !== null}
            aria-describedby="sign-in-help"
            onInput={({ currentTarget }) => setToken(currentTarget.value)}
          />
        </label>
        <p id="sign-in-help">
          <code>ADMIN_TOKEN</code> to read and write, <code>READONLY_TOKEN</code> to read. This tab
          keeps it until the tab is closed.
        </p>
        {wrong !== null && (
          <p class="failing" role="alert">
            {wrong}
          </p>
        )}
        <button type="submit" class="primary" disabled={state === "trying"}>
          {state === "trying" ? "Signing in…" : "Sign in"}
        </button>
      </form>
    </main>
  );
}
