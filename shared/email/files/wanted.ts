import { fail, ok, type Result } from "../../lib/base/result.ts";
import type { Misconfigured } from "../../lib/worker/variables.ts";
import { ADMIN_TENANT, PRODUCER_TENANT, type Submission } from "../outbox.ts";
import { largestContentBytes } from "../rules/transports.ts";
import { isNamed, type EmailMessage } from "../schemas.ts";
import { emailTransports, type EmailVariables } from "../settings.ts";

/**
 * A submission with what must be there of the uploaded files that it names. What other Workers send
 * by a binding is the operator's, and names the operator's files.
 */
export function withFiles<Failed>(
  env: EmailVariables,
  submission: Result<Submission, Failed>,
): Result<Submission, Failed | Misconfigured> {
  if (!submission.ok) return submission;
  const { message, sender } = submission.value;
  const ids = (message.attachments ?? []).flatMap((one) => (isNamed(one) ? [one.id] : []));
  if (ids.length === 0) return submission;
  const names = emailTransports(env);
  if (!names.ok) return fail(names.error);
  const tenant = sender.tenant === PRODUCER_TENANT ? ADMIN_TENANT : sender.tenant;
  const roomBytes = largestContentBytes(names.value) - inlineBytes(message);
  return ok({ ...submission.value, files: { tenant, ids, roomBytes } });
}

const bytesOf = (text: string): number => new TextEncoder().encode(text).byteLength;
const decodedBytes = (base64: string): number => Math.ceil((base64.length * 3) / 4);

const inlineBytes = ({ html = "", text = "", attachments = [] }: EmailMessage): number =>
  attachments.reduce(
    (sum, one) => sum + (isNamed(one) ? 0 : decodedBytes(one.content)),
    bytesOf(html) + bytesOf(text),
  );
