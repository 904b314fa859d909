/** The client without validation, for pages, whose bundles have no room for the schemas. */
export type RequestSettings = {
  /** Without a slash at its end. */
  baseUrl: string;
  token?: string | undefined;
  fetch?: typeof fetch;
};

/** A file with a known size. */
export type FileBytes = Uint8Array<ArrayBuffer> | ArrayBuffer | Blob;

const sizeOf = (file: FileBytes): number => (file instanceof Blob ? file.size : file.byteLength);

/** What any operation takes. */
export type PlainRequest = {
  params?: Record<string, string>;
  query?: Record<string, string | undefined>;
  body?: unknown;
  file?: FileBytes;
  idempotencyKey?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
};

/**
 * Sends a request as an operation wants it.
 *
 * @throws TypeError if the server cannot be reached
 */
export async function sendRequest(
  { baseUrl, token, fetch: send = fetch }: RequestSettings,
  operation: { method: string; path: string },
  { params = {}, query = {}, body, file, idempotencyKey, headers = {}, signal }: PlainRequest,
): Promise<Response> {
  const path = operation.path.replace(/:(\w+)/g, (_, name: string) =>
    encodeURIComponent(params[name] ?? ""),
  );
  const given = Object.entries(query).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  const search = new URLSearchParams(given).toString();
  return await send(`${baseUrl}${path}${search === "" ? "" : `?${search}`}`, {
    method: operation.method,
    headers: {
      ...(token !== undefined && { Authorization: `Bearer ${token}` }),
      ...(body !== undefined && { "Content-Type": "application/json" }),
      // A request that never leaves the Worker has only the headers that it is given.
      ...(file !== undefined && { "Content-Length": String(sizeOf(file)) }),
      ...(idempotencyKey !== undefined && { "Idempotency-Key": idempotencyKey }),
      ...headers,
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    ...(file !== undefined && { body: file }),
    ...(signal !== undefined && { signal }),
  });
}
