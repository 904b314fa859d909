import type * as v from "valibot";
import { fail, ok, type Result } from "../lib/base/result.ts";
import { validate } from "../lib/worker/validate.ts";
import type { Failure } from "./failure.ts";
import type { BodyRoom } from "./large-bodies.ts";

type BadBody = Extract<
  Failure,
  {
    tag:
      | "invalid"
      | "malformed-json"
      | "unsupported-media-type"
      | "body-too-large"
      | "aborted"
      | "rate-limited";
  }
>;
type Unread = Extract<BadBody, { tag: "body-too-large" | "aborted" | "rate-limited" }>;

/** The most of a body, unless its operation takes more. */
export const MAX_BODY_BYTES = 1_048_576;

/** When to send a large body again for which there was no room. */
export const NO_ROOM_RETRY_MS = 1_000;

/** `room`: needed where more than `MAX_BODY_BYTES` are read. */
type Limit = { limitBytes: number; room?: BodyRoom };

/**
 * Reads a JSON body and validates it; no body at all counts as `{}`. Unknown fields are refused by
 * name where the schema is strict.
 */
export async function readJson<Schema extends v.GenericSchema>(
  request: Request,
  schema: Schema,
  limit: Limit,
): Promise<Result<v.InferOutput<Schema>, BadBody>> {
  const mediaType = request.headers.get("Content-Type")?.split(";")[0]?.trim().toLowerCase();
  const read = await readBytes(request, limit);
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
export async function readText(request: Request, limit: Limit): Promise<Result<string, Unread>> {
  const bytes = await readBytes(request, limit);
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
  { limitBytes, room }: Limit,
): Promise<Result<Uint8Array, Unread>> {
  const tooLarge = fail<Unread>({ tag: "body-too-large", limitBytes });
  const announced = Number(request.headers.get("Content-Length") ?? 0);
  if (announced > limitBytes) return tooLarge;
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of request.body ?? []) {
      size += chunk.byteLength;
      if (size > limitBytes) return tooLarge;
      // The client waits, too: nothing more is read meanwhile.
      if (size > MAX_BODY_BYTES && !(await room?.take(announced > 0 ? announced : limitBytes)))
        return fail({ tag: "rate-limited", retryAfterMs: NO_ROOM_RETRY_MS });
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
