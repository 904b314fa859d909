import { fail, ok, type Result } from "../../lib/base/result.ts";
import type { Invalid } from "../../lib/worker/validate.ts";
import type { Misconfigured } from "../../lib/worker/variables.ts";
import { ADMIN_TENANT, PRODUCER_TENANT, type Submission } from "../outbox.ts";
import { fileErrors } from "../rules/file-errors.ts";
import { bytesOf, placesForStore } from "../rules/large-files.ts";
import { largestContentBytes } from "../rules/transports.ts";
import { isNamed, type EmailMessage } from "../schemas.ts";
import { emailTransports, type EmailVariables } from "../settings.ts";

/**
 * A submission with what must be there of the uploaded files that it names, and with the files that
 * its row has no room for. What other Workers send by a binding is the operator's, and names the
 * operator's files.
 */
export function withFiles<Failed>(
  env: EmailVariables & { ATTACHMENTS?: R2Bucket },
  submission: Result<Submission, Failed>,
): Result<Submission, Failed | Misconfigured | Invalid> {
  if (!submission.ok) return submission;
  const { message, sender } = submission.value;
  const { attachments = [] } = message;
  if (attachments.length === 0) return submission;
  const ids = attachments.flatMap((one) => (isNamed(one) ? [one.id] : []));
  const places = placesForStore(
    bodyBytes(message),
    attachments.map((one) => (isNamed(one) ? null : one.content.length)),
  );
  if (ids.length === 0 && places.length === 0) return submission;
  if (places.length > 0 && env.ATTACHMENTS === undefined)
    return fail({ tag: "misconfigured", ...notBound });
  const names = emailTransports(env);
  if (!names.ok) return fail(names.error);
  const tenant = sender.tenant === PRODUCER_TENANT ? ADMIN_TENANT : sender.tenant;
  const inlineBytes = bodyBytes(message) + filesBytesOf(message);
  const roomBytes = largestContentBytes(names.value) - inlineBytes;
  const files = { tenant, ids, roomBytes: Math.max(roomBytes, 0) };
  if (roomBytes < 0) {
    const room = { ...files, roomBytes: roomBytes + inlineBytes };
    const errors = fileErrors(message, room, { missing: [], bytes: inlineBytes });
    return fail({ tag: "invalid", errors });
  }
  return ok({
    ...submission.value,
    ...(ids.length > 0 && { files }),
    ...(places.length > 0 && { large: { tenant, places } }),
  });
}

const notBound = {
  variable: "ATTACHMENTS",
  message: "is not bound: an email with more than 1 MiB needs an R2 bucket",
};

const decodedBytes = (base64: string): number => Math.ceil((base64.length * 3) / 4);

const bodyBytes = ({ html = "", text = "" }: EmailMessage): number => bytesOf(html) + bytesOf(text);

const filesBytesOf = ({ attachments = [] }: EmailMessage): number =>
  attachments.reduce((sum, one) => sum + (isNamed(one) ? 0 : decodedBytes(one.content)), 0);
