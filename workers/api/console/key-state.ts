import {
  keyScopes,
  operatorRoles,
  teamScopes,
  userScopes,
  type KeyScope,
  type OperatorRole,
} from "../../../shared/accounts/rules/key-scopes.ts";
import type { AnswerBody } from "./api.ts";
import type { Tone } from "./ui/bits.tsx";

/** What the lists of keys and of users show, and what their form asks for. Pure. */

export type ShownKey = AnswerBody<"listUserKeys">["items"][number];
export type ShownUser = AnswerBody<"getUser">["user"];
type Shown = { tone: Tone; text: string };

export type KeyOwner = "User" | "Team" | "Operator";

export const roleChoices = operatorRoles;

/** The scopes that a key may have, by who has the key. */
export const scopeChoicesOf: Record<KeyOwner, readonly KeyScope[]> = {
  User: userScopes,
  Team: teamScopes,
  Operator: keyScopes,
};

export function keyState(
  { expiresAt, test }: Pick<ShownKey, "expiresAt" | "test">,
  now: number,
): Shown {
  if (expiresAt !== undefined && Date.parse(expiresAt) <= now)
    return { tone: "bad", text: "expired" };
  return { tone: "good", text: test ? "valid, for tests" : "valid" };
}

export function userState({ suspended }: Pick<ShownUser, "suspended">): Shown {
  return suspended === undefined
    ? { tone: "good", text: "active" }
    : { tone: "warn", text: `suspended: ${suspended.reason}` };
}

export type KeyForm = {
  name: string;
  /** Undefined: with scopes. */
  role: OperatorRole | undefined;
  scopes: readonly KeyScope[];
  /** The first day on which the key does not work; empty if it has no expiry. */
  day: string;
  test: boolean;
};

export const noKey: KeyForm = { name: "", role: undefined, scopes: [], day: "", test: false };

/** What the form lacks; undefined if the API can be asked. */
export function lackOf({ name, role, scopes }: KeyForm): string | undefined {
  if (name.trim() === "") return "Enter a name.";
  return role === undefined && scopes.length === 0 ? "Choose a scope." : undefined;
}

/** The body that creates the key. */
export const keyIn = ({ name, role, scopes, day, test }: KeyForm) => ({
  name: name.trim(),
  ...(role === undefined ? { scopes: [...scopes] } : { role }),
  ...(day !== "" && { expiresAt: `${day}T00:00:00Z` }),
  ...(test && { test }),
});
