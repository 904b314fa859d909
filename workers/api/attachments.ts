import type { UploadedAttachmentAnswer } from "../../shared/contract/attachments.ts";
import { uploadFile } from "../../shared/email/files/upload.ts";
import { DEFAULT_CONTENT_TYPE, fileContentType } from "../../shared/email/rules/file.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { fail } from "../../shared/lib/base/result.ts";
import { validate } from "../../shared/lib/worker/validate.ts";
import { json, tenantOf, type Handler } from "./call.ts";
import { lengthOf } from "./upload-length.ts";

/** 201 once R2 has all of the file, and D1 its digest. */
export const uploadAttachment: Handler<"uploadAttachment"> = async ({
  operation,
  request,
  query: { filename },
  env,
  caller,
  now,
}) => {
  const { ATTACHMENTS: bucket } = env;
  if (bucket === undefined) return fail({ tag: "misconfigured", ...notBound });
  // R2 takes only what has a known length.
  const sizeBytes = lengthOf(request, operation.upload.maxBytes);
  if (!sizeBytes.ok) return sizeBytes;
  const contentType = validate(
    fileContentType,
    request.headers.get("Content-Type") ?? DEFAULT_CONTENT_TYPE,
  );
  if (!contentType.ok) return inHeader("Content-Type", contentType.error);
  const stored = await uploadFile(
    { db: env.DB, bucket },
    {
      tenant: tenantOf(caller),
      filename,
      contentType: contentType.value,
      sizeBytes: sizeBytes.value,
    },
    request.body,
    now,
  );
  if (!stored.ok) return stored;
  const { id, sha256, expiresAt } = stored.value;
  const answer: UploadedAttachmentAnswer = {
    id,
    filename,
    contentType: contentType.value,
    sizeBytes: sizeBytes.value,
    sha256,
    expiresAt: new Date(expiresAt).toISOString(),
  };
  return json(answer, { status: 201 });
};

const notBound = {
  variable: "ATTACHMENTS",
  message: "is not bound: uploads need an R2 bucket",
};

const inHeader = (path: string, { errors }: Extract<Failure, { tag: "invalid" }>) =>
  fail({ tag: "invalid" as const, errors: errors.map(({ message }) => ({ path, message })) });
