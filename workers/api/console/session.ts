import { callApi, type BodyOf, type OperationId, type Outcome, type RequestOf } from "./api.ts";
import { Store, useStore } from "./store.ts";

/** `token` null: signed in through Cloudflare Access, whose cookie goes along by itself. */
export type Session =
  | { state: "checking" }
  | { state: "signed-out"; because: string | null }
  | { state: "signed-in"; token: string | null; role: "admin" | "viewer"; actor: string };

const KEY = "luna-console-token";

export const session = new Store<Session>({ state: "checking" });

/** Begins with the token of this tab, or with what Access says of the browser. */
export async function resumeSession(): Promise<void> {
  const token = sessionStorage.getItem(KEY);
  const refused = await enter(token);
  if (refused === null) return;
  session.value = {
    state: "signed-out",
    because: token === null || refused.status === 401 ? null : refused.detail,
  };
}

/** @returns what is wrong with the token, or null once it is signed in */
export async function signIn(token: string): Promise<string | null> {
  const refused = await enter(token);
  if (refused === null) return null;
  if (refused.status === 401) return "This token is not valid here.";
  if (refused.status === 403)
    return "This token belongs to a user. The console needs the admin token or the one for reading.";
  return `${refused.title}. ${refused.detail}`;
}

async function enter(
  token: string | null,
): Promise<{ status: number; title: string; detail: string } | null> {
  const answer = await callApi(token, "getOperator");
  if (!answer.ok) return answer;
  if (token !== null) sessionStorage.setItem(KEY, token);
  session.value = { state: "signed-in", token, ...answer.body };
  return null;
}

export function signOut(because: string | null = null): void {
  sessionStorage.removeItem(KEY);
  session.value = { state: "signed-out", because };
}

/** Whether who is signed in may write, and what to say to who may not. */
export function useMayWrite(): { mayWrite: boolean; whyNot: string | undefined } {
  const who = useStore(session);
  const mayWrite = who.state === "signed-in" && who.role === "admin";
  return { mayWrite, whyNot: mayWrite ? undefined : "This token is for reading only." };
}

/**
 * Calls the API as who is signed in. A token that is not valid any more leads back to the sign-in,
 * on the same page.
 */
export async function call<Id extends OperationId>(
  id: Id,
  request?: RequestOf<Id>,
): Promise<Outcome<BodyOf<Id>>> {
  const now = session.value;
  const token = now.state === "signed-in" ? now.token : null;
  const answer = await callApi(token, id, request);
  if (!answer.ok && answer.status === 401 && session.value === now) {
    signOut(
      "You were signed out: the token is not valid any more. Sign in again to go on where you were.",
    );
  }
  return answer;
}
