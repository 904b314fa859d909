import type * as v from "valibot";
import { fail, ok, type Result } from "../lib/base/result.ts";
import { validate } from "../lib/worker/validate.ts";
import type { Failure } from "./failure.ts";

type BadBody = Extract<
  Failure,
  { tag: "invalid" | "malformed-json" | "unsupported-media-type" | "body-too-large" | "aborted" }
>;
type Unread = Extract<BadBody, { tag: "body-too-large" | "aborted" }>;

export const MAX_BODY_BYTES = 1_048_576;

/**
 * Reads a JSON body of at most 1 MiB and validates it; no body at all counts as `{}`. Unknown
 * fields are refused by name where the schema is strict.
 */
export async function readJson<Schema extends v.GenericSchema>(
  request: Request,
  schema: Schema,
): Promise<Result<v.InferOutput<Schema>, BadBody>> {
  const mediaType = request.headers.get("Content-Type")?.split(";")[0]?.trim().toLowerCase();
  const read = await readBytes(request, MAX_BODY_BYTES);
  if (!read.ok) return read;
  const bytes = read.value;
  if (bytes.byteLength === 0) return validate(schema, {});
  if (mediaType !== "application/json")
    return fail({ tag: "unsupported-media-type", expected: "application/json" });
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return fail({ tag: "malformed-json", detail: "The body must be one JSON value in UTF-8." });
  }
  // valibot accepts a list as an object without fields.
  if (Array.isArray(json))
    return fail({ tag: "invalid", errors: [{ path: "body", message: "must be an object" }] });
  return validate(schema, json);
}

/** Reads a body as text, unchanged, so that its signature can be verified. */
export async function readText(
  request: Request,
  limitBytes: number,
): Promise<Result<string, Unread>> {
  const bytes = await readBytes(request, limitBytes);
  return bytes.ok
    ? ok(new TextDecoder("utf-8", { fatal: false, ignoreBOM: true }).decode(bytes.value))
    : bytes;
}

/**
 * Stops reading at the limit: a Content-Length may be wrong or absent. The stream of a body fails
 * only when its client has gone away.
 */
async function readBytes(
  request: Request,
  limitBytes: number,
): Promise<Result<Uint8Array, Unread>> {
  const tooLarge = fail<Unread>({ tag: "body-too-large", limitBytes });
  if (Number(request.headers.get("Content-Length") ?? 0) > limitBytes) return tooLarge;
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of request.body ?? []) {
      size += chunk.byteLength;
      if (size > limitBytes) return tooLarge;
      chunks.push(chunk);
    }
  } catch {
    return fail({ tag: "aborted" });
  }
  const bytes = new Uint8Array(size);
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return ok(bytes);
}
