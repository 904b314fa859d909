import type { Failure } from "./failure.ts";

/** Why a caller gets a problem, and what to do about it. */
type Help = { cause: string; action: string };

/** One entry per problem: `GET /docs` and `docs/reference/errors.md` show them. */
export const problemHelp: Record<Failure["tag"], Help> = {
  invalid: {
    cause: "A field, a query parameter or a header is unknown, missing or wrong.",
    action: "Correct each field that `errors` names. Nothing was written.",
  },
  "malformed-json": {
    cause: "The body is not JSON.",
    action: "Send JSON in UTF-8.",
  },
  "unsupported-media-type": {
    cause: "The body has another media type than JSON.",
    action: "Send `Content-Type: application/json`.",
  },
  "length-required": {
    cause: "The upload of a file has no `Content-Length`.",
    action: "Send the file in one piece, not in chunks of unknown number.",
  },
  "body-too-large": {
    cause:
      "The body has more than 1 MiB (8 MiB with emails), a file more than 25 MiB, or a webhook " +
      "more than 64 KiB.",
    action: "Upload large files by `POST /api/attachments`. Send emails in smaller batches.",
  },
  aborted: {
    cause: "The connection ended before the body had arrived.",
    action: "Send the request again. Nothing was written.",
  },
  unauthenticated: {
    cause: "The request has no token, or a token that is wrong, replaced or revoked.",
    action: "Send `Authorization: Bearer <token>` with a current API key or an operator's token.",
  },
  "bad-signature": {
    cause: "A webhook has no valid signature, or its signature is older than five minutes.",
    action: "Set `WEBHOOK_SECRET_RESEND` to the provider's signing secret. Check the clock.",
  },
  forbidden: {
    cause: "The token is valid but may not call this operation.",
    action: "Use a token that may: `detail` names the missing scope, permission or role.",
  },
  "account-suspended": {
    cause: "An operator has suspended the account of the key or of the link.",
    action: "Ask the operator. Accepted emails wait, and leave once the account is resumed.",
  },
  "precondition-failed": {
    cause: "Another request has changed the object since its `ETag` was read.",
    action: "Read the object again, decide again, and send its new `ETag` in `If-Match`.",
  },
  "not-found": {
    cause: "The path or the object does not exist, or the object belongs to another tenant.",
    action: "Check the path, the id and whose key you use.",
  },
  "method-not-allowed": {
    cause: "The path exists, but not with this method.",
    action: "Use one of the methods in the header `Allow`.",
  },
  conflict: {
    cause: "There is an account, a sender or a template with this id, address or name already.",
    action: "Choose another value, or read the object that exists.",
  },
  "wrong-state": {
    cause: "The object is in a state, or at a limit, that excludes this change.",
    action: "Read `detail` and the object. Change what it names, then send the request again.",
  },
  suppressed: {
    cause: "The recipient gets no emails: after a bounce, a complaint or an unsubscription.",
    action: "Do not send again. An operator can lift a suppression in the console.",
  },
  "idempotency-key-reused": {
    cause: "The same `Idempotency-Key` was sent before with another body.",
    action: "Use a new key for a new request. Repeat the old body to get the old answer.",
  },
  "daily-limit": {
    cause: "As many emails were accepted today (UTC) as the key, or all keys together, may send.",
    action: "Wait for the seconds in `Retry-After`, or ask the operator for a higher limit.",
  },
  "usage-quota": {
    cause: "With this count the user would exceed the month's (UTC) quota of their tier.",
    action: "Wait for the seconds in `Retry-After`, or change the tier. Nothing was counted.",
  },
  "too-many-files": {
    cause: "The tenant has 500 uploaded files, or 1 GiB, that no email names.",
    action: "Send the emails that name them. A file that no email names is deleted after a day.",
  },
  "rate-limited": {
    cause: "The key or the network address sent too many requests in the last minute.",
    action: "Wait for the seconds in `Retry-After`. Send several emails in one batch.",
  },
  "uri-too-long": {
    cause: "The URI has more than 8 KiB.",
    action: "Shorten the query.",
  },
  "headers-too-large": {
    cause: "The header fields have more than 32 KiB together.",
    action: "Send fewer or shorter header fields.",
  },
  unavailable: {
    cause: "A part of the service did not answer in time.",
    action: "Send the request again after `Retry-After`. Nothing was written.",
  },
  "database-full": {
    cause: "The database is full, or nearly: what is left is kept for emails that were accepted.",
    action: "Send the request again after `Retry-After`. Nothing was written. Inform the operator.",
  },
  "circuit-open": {
    cause: "A circuit breaker is open: its dependency failed, and is not called.",
    action: "Send the request again after `Retry-After`. Nothing was called or written.",
  },
  "outcome-unknown": {
    cause: "The database did not confirm the write. It may have happened.",
    action: "Repeat the request under its `Idempotency-Key`, or read the object before you repeat.",
  },
  misconfigured: {
    cause: "A variable of this deployment is missing or invalid. `detail` names it.",
    action: "The operator corrects the variable and deploys.",
  },
  internal: {
    cause: "A defect in the service.",
    action: "Give the operator the `X-Request-Id`: the log has the cause under it.",
  },
};
