import * as v from "valibot";
import { fileName, MAX_EMAIL_BYTES } from "../email/rules/file.ts";
import { time } from "../http/time.ts";
import { named } from "../lib/worker/named.ts";
import { count, operation } from "./operation.ts";

/** `sha256`: of the bytes, in hexadecimal digits. `expiresAt`: unless an email names it by then. */
const uploadedAttachment = named("UploadedAttachment", {
  id: v.string(),
  filename: v.string(),
  contentType: v.string(),
  sizeBytes: count,
  sha256: v.string(),
  expiresAt: time,
});
export type UploadedAttachmentAnswer = v.InferOutput<typeof uploadedAttachment>;

export const uploadAttachment = operation({
  id: "uploadAttachment",
  method: "POST",
  path: "/api/attachments",
  access: "mailer",
  tag: "emails",
  summary:
    "Store a file, which emails of the same tenant name by its id. The body is the file, of the " +
    "media type in Content-Type, with a Content-Length of at most 25 MiB. A repeat under its " +
    "Idempotency-Key needs the same name, type and size.",
  query: v.strictObject({ filename: fileName }),
  upload: { maxBytes: MAX_EMAIL_BYTES },
  idempotent: true,
  answers: { 201: uploadedAttachment },
  problems: [
    "wrong-state",
    "too-many-files",
    "idempotency-key-reused",
    "unavailable",
    "outcome-unknown",
    "misconfigured",
  ],
});
