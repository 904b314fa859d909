import { undocumented } from "./conformance.ts";

/** Requests as the tests send them. What the OpenAPI document does not describe fails the test. */

export const ADMIN_TOKEN = "test-admin-token-0123456789abcdef";

/** Fetch of where the test runs: their types differ, their answers do not. */
export type Fetch = (
  path: string,
  init: { method: string; headers: Record<string, string>; body?: string },
) => Promise<FetchedAnswer>;

type FetchedAnswer = {
  status: number;
  headers: {
    get(name: string): string | null;
    forEach(callback: (value: string, name: string) => void): void;
  };
  text(): Promise<string>;
};

/**
 * `token`: the admin's by default, null for none. `text`: the answer may be no JSON. `own`: the
 * path is of a Worker that the test has put around the real one.
 */
export type CallOptions = {
  token?: string | null;
  headers?: Record<string, string>;
  text?: true;
  own?: true;
};

type ApiRequest = CallOptions & { method: string; path: string; body?: unknown };

/** Calls the API with a token and a JSON body. */
export async function callApi(
  fetch: Fetch,
  { method, path, body, ...options }: ApiRequest,
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
    text,
    body: text === "" || options.text === true ? null : JSON.parse(text),
  };
}

/** `body` is the JSON that came: tests look at it field by field. */
export type Answer = {
  status: number;
  headers: FetchedAnswer["headers"];
  text: string;
  // An assertion on a missing field fails the test just as well.
  // oxlint-disable-next-line typescript/no-explicit-any
  body: any;
};
