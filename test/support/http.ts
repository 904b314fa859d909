import { undocumented } from "./conformance.ts";

/** Requests as the tests send them. What the OpenAPI document does not describe fails the test. */

export const ADMIN_TOKEN = "test-admin-token-0123456789abcdef";

/** Fetch of whatever the test runs in: their types differ, their answers do not. */
export type Fetch = (
  path: string,
  init: { method: string; headers: Record<string, string>; body?: string },
) => Promise<FetchedAnswer>;

type FetchedAnswer = {
  status: number;
  headers: { get(name: string): string | null };
  text(): Promise<string>;
};

/**
 * Calls the API with a token (the admin's unless told otherwise) and a JSON body. `text`: whatever
 * it answers may be no JSON. `own`: the path is of a Worker that the test has put around the real
 * one.
 */
export async function call(
  fetch: Fetch,
  method: string,
  path: string,
  body?: unknown,
  options: {
    token?: string | null;
    headers?: Record<string, string>;
    text?: true;
    own?: true;
  } = {},
): Promise<Answer> {
  const token = options.token === undefined ? ADMIN_TOKEN : options.token;
  const headers = {
    ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
    ...(body === undefined ? {} : { "Content-Type": "application/json" }),
    ...options.headers,
  };
  const response = await fetch(path, {
    method,
    headers,
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const wrong =
    options.own === true
      ? []
      : undocumented(method, path, { status: response.status, headers: response.headers, text });
  if (wrong.length > 0)
    throw new Error(
      `${method} ${path} answered ${response.status}, which is not as documented: ` +
        `${wrong.join("; ")}\n${text}`,
    );
  return {
    status: response.status,
    headers: response.headers,
    body: text === "" || options.text === true ? null : JSON.parse(text),
  };
}

/** `body` is whatever JSON came: tests look at it field by field. */
// An assertion on a missing field fails the test just as well.
// oxlint-disable-next-line typescript/no-explicit-any
export type Answer = { status: number; headers: FetchedAnswer["headers"]; body: any };
