import * as v from "valibot";
import { invitationStatuses, newInvitation } from "../accounts/rules/invitations.ts";
import { teamMember, userId } from "../accounts/rules/schemas.ts";
import { pageOf } from "../http/lists.ts";
import { time } from "../http/time.ts";
import { named } from "../lib/worker/named.ts";
import { operation, page } from "./operation.ts";

const tag = "teams";
const write = ["unavailable", "outcome-unknown"] as const;
const role = v.picklist(["member", "admin"]);

/** `invitedBy`: absent if an operator invited. */
const invitation = named("Invitation", {
  id: v.string(),
  teamId: v.string(),
  email: v.string(),
  role,
  invitedBy: v.optional(v.string()),
  status: v.picklist(invitationStatuses),
  createdAt: time,
  expiresAt: time,
});
export type InvitationAnswer = v.InferOutput<typeof invitation>;

export const createInvitation = operation({
  id: "createInvitation",
  method: "POST",
  path: "/api/teams/:teamId/invitations",
  access: "person",
  tag,
  summary:
    "Invite an address to a team by an email with a link. Owners, the admin, and admins of the " +
    "team (only as member) may do this. An open invitation to the address gets a new link. The " +
    "answer does not depend on an account. If team-invitation is off, the admin gets the link.",
  body: newInvitation,
  idempotent: true,
  answers: { 201: v.strictObject({ invitation, url: v.optional(v.string()) }) },
  problems: [
    "not-found",
    "forbidden",
    "wrong-state",
    "idempotency-key-reused",
    "misconfigured",
    ...write,
  ],
});

export const listInvitations = operation({
  id: "listInvitations",
  method: "GET",
  path: "/api/teams/:teamId/invitations",
  access: "person",
  tag,
  summary: "The invitations of a team, newest first, for its owners, its admins and the admin.",
  query: pageOf,
  answers: { 200: page(invitation) },
  problems: ["not-found", "forbidden", "unavailable"],
});

export const revokeInvitation = operation({
  id: "revokeInvitation",
  method: "DELETE",
  path: "/api/teams/:teamId/invitations/:invitationId",
  access: "person",
  tag,
  summary: "Revoke an open invitation. A repeat changes nothing.",
  params: {
    invitationId: {
      schema: v.pipe(v.string(), v.regex(/^inv_[0-9a-f]{32}$/)),
      names: "invitation",
    },
  },
  answers: { 204: null },
  problems: ["not-found", "forbidden", "wrong-state", ...write],
});

export const listReceivedInvitations = operation({
  id: "listReceivedInvitations",
  method: "GET",
  path: "/api/users/:userId/invitations",
  access: "self",
  tag,
  summary: "The open invitations to the address of a user, newest first, at most 100.",
  params: { userId: { schema: userId, names: "user" } },
  answers: {
    200: v.strictObject({
      invitations: v.array(
        named("ReceivedInvitation", {
          id: v.string(),
          teamId: v.string(),
          teamName: v.string(),
          role,
          createdAt: time,
          expiresAt: time,
        }),
      ),
    }),
  },
  problems: ["not-found", "unavailable"],
});

type Named = { token?: string | undefined; invitationId?: string | undefined };
const namesOne = ({ token, invitationId }: Named): boolean =>
  (token === undefined) !== (invitationId === undefined);

/** `token`: the last part of the link, to any account. `invitationId`: to the own address. */
const which = v.pipe(
  v.strictObject({
    token: v.optional(
      v.pipe(v.string("must be text"), v.regex(/^[\w-]{43}$/, "must be the token of a link")),
    ),
    invitationId: v.optional(
      v.pipe(v.string("must be text"), v.regex(/^inv_[0-9a-f]{32}$/, "must be an id")),
    ),
  }),
  v.check((given) => namesOne(given), "must name either token or invitationId"),
);

export const acceptInvitation = operation({
  id: "acceptInvitation",
  method: "POST",
  path: "/api/invitations/accept",
  access: "user",
  tag,
  summary:
    "Become a member by the token of a link, or by the id of an invitation to one's own address.",
  body: which,
  answers: { 200: v.strictObject({ teamId: v.string(), member: teamMember }) },
  problems: ["not-found", "wrong-state", ...write],
});

export const declineInvitation = operation({
  id: "declineInvitation",
  method: "POST",
  path: "/api/invitations/decline",
  access: "user",
  tag,
  summary: "Decline an invitation by its token or its id.",
  body: which,
  answers: { 204: null },
  problems: ["not-found", ...write],
});

const link = { tag: "webhooks", answers: { 200: { mediaType: "text/html" } } } as const;

export const showInvitation = operation({
  id: "showInvitation",
  method: "GET",
  path: "/invitations/:token",
  access: "anyone",
  summary: "A page that asks to accept or decline an invitation.",
  problems: ["not-found", "unavailable"],
  ...link,
});

export const answerInvitation = operation({
  id: "answerInvitation",
  method: "POST",
  path: "/invitations/:token",
  access: "anyone",
  summary: "Accept or decline an invitation on its page, as the account of the invited address.",
  problems: ["not-found", "account-suspended", "wrong-state", "unavailable", "outcome-unknown"],
  ...link,
});
