import type { UploadedAttachmentAnswer } from "../../shared/contract/attachments.ts";
import type { KeyedRequest } from "../../shared/database/answered-requests.ts";
import { uploadFile, type UploadedFile } from "../../shared/email/files/upload.ts";
import { DEFAULT_CONTENT_TYPE, fileContentType } from "../../shared/email/rules/file.ts";
import { findStored } from "../../shared/email/sql/files.ts";
import type { Failure } from "../../shared/http/failure.ts";
import { fail, type Result } from "../../shared/lib/base/result.ts";
import { validate } from "../../shared/lib/worker/validate.ts";
import { json, tenantOf, type Call, type Handler } from "./call.ts";
import { createOnce, keyedRequest, readAgain } from "./keyed.ts";
import { lengthOf } from "./upload-length.ts";

/** 201 once R2 has all of the file, and D1 its digest. */
export const uploadAttachment: Handler<"uploadAttachment"> = async (call) => {
  const { operation, request, env } = call;
  const { filename } = call.query;
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
  const file = { filename, contentType: contentType.value, sizeBytes: sizeBytes.value };
  // The bytes of a repeat are not read: its name, type and size must be the same.
  const keyed = await keyedRequest(call, file);
  return await createOnce(call, keyed, {
    create: () => store(call, { bucket, file, keyed }),
    again: (id) =>
      readAgain(
        env,
        () => findStored(env.DB, id),
        (found) => json(fileAnswer({ ...file, ...found }), { status: 201 }),
      ),
  });
};

type File = Pick<UploadedAttachmentAnswer, "filename" | "contentType" | "sizeBytes">;

async function store(
  { request, env, caller, now }: Call<"uploadAttachment">,
  { bucket, file, keyed }: { bucket: R2Bucket; file: File; keyed: KeyedRequest | null },
): Promise<Result<Response, Failure>> {
  const upload = { tenant: tenantOf(caller), ...file };
  const stored = await uploadFile({ db: env.DB, bucket }, upload, request.body, { now, keyed });
  if (!stored.ok) return stored;
  return json(fileAnswer(stored.value), { status: 201 });
}

const fileAnswer = ({
  id,
  filename,
  contentType,
  sizeBytes,
  sha256,
  expiresAt,
}: File & Pick<UploadedFile, "id" | "sha256" | "expiresAt">): UploadedAttachmentAnswer => ({
  id,
  filename,
  contentType,
  sizeBytes,
  sha256,
  expiresAt: new Date(expiresAt).toISOString(),
});

const notBound = {
  variable: "ATTACHMENTS",
  message: "is not bound: uploads need an R2 bucket",
};

const inHeader = (path: string, { errors }: Extract<Failure, { tag: "invalid" }>) =>
  fail({ tag: "invalid" as const, errors: errors.map(({ message }) => ({ path, message })) });
