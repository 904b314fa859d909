import { scopeNamed } from "../../../shared/contract/scopes.ts";
import {
  callApi,
  type AnswerBody,
  type CalledOperation,
  type CallOutcome,
  type RequestOf,
} from "./api.ts";
import { denyReasonOf } from "./may.ts";
import { filledUp } from "./older-release.ts";
import { Store, useStore } from "./store.ts";

/** `token` null: signed in through Cloudflare Access, whose cookie the browser sends. */
export type Session =
  | { state: "checking" }
  | { state: "signed-out"; because: string | null }
  | ({ state: "signed-in"; token: string | null } & Operator);

/** Who is signed in. `name`: of a key. `scopes`: what they may do. */
type Operator = AnswerBody<"getOperator">;

const KEY = "luna-console-token";

export const session = new Store<Session>({ state: "checking" });

/** Starts with the token of this tab, or with the sign-in of Cloudflare Access. */
export async function resumeSession(): Promise<void> {
  const token = sessionStorage.getItem(KEY);
  // The browser would report the refusal of a request without token and without Access as an error.
  if (token === null && !(await mayHaveAccess())) {
    session.value = { state: "signed-out", because: null };
    return;
  }
  const refused = await enter(token);
  if (refused === null) return;
  session.value = {
    state: "signed-out",
    because: token === null || refused.status === 401 ? null : refused.detail,
  };
}

/** An API that does not answer does not know. */
async function mayHaveAccess(): Promise<boolean> {
  const start = await callApi(null, "getStart");
  return !start.ok || start.body.accessSignIn;
}

/** @returns why the token is refused, or null after sign-in */
export async function signIn(token: string): Promise<string | null> {
  const refused = await enter(token);
  if (refused === null) return null;
  if (refused.status === 401) return "This token is not valid.";
  if (refused.status === 403)
    return "This token belongs to a user. The console needs the admin or the read-only token.";
  return `${refused.title}. ${refused.detail}`;
}

async function enter(
  token: string | null,
): Promise<{ status: number; title: string; detail: string } | null> {
  const answer = await callApi(token, "getOperator");
  if (!answer.ok) return answer;
  if (token !== null) sessionStorage.setItem(KEY, token);
  session.value = { state: "signed-in", token, ...filledUp("getOperator", answer.body) };
  return null;
}

export function signOut(because: string | null = null): void {
  sessionStorage.removeItem(KEY);
  session.value = { state: "signed-out", because };
}

/** Why the operator may not call an operation; undefined if they may. The server checks it, too. */
export function useDenyReason(operation: CalledOperation): string | undefined {
  const who = useStore(session);
  return who.state === "signed-in" ? denyReasonOf(who, scopeNamed(operation)) : "Sign in first.";
}

/**
 * Calls the API as the signed-in operator. A token that is no longer valid leads to the sign-in, on
 * the same page.
 */
export async function call<Id extends CalledOperation>(
  id: Id,
  request?: RequestOf<Id>,
): Promise<CallOutcome<AnswerBody<Id>>> {
  const now = session.value;
  const token = now.state === "signed-in" ? now.token : null;
  const answer = await callApi(token, id, request);
  if (!answer.ok && answer.status === 401 && session.value === now) {
    signOut(
      "You were signed out: the token is no longer valid. Sign in again to continue on this page.",
    );
  }
  return answer.ok ? { ...answer, body: filledUp(id, answer.body) } : answer;
}
