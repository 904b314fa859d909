import * as v from "valibot";
import { idempotencyKey as keySchema } from "../../email/schemas.ts";
import { problemOf } from "../../http/problem.ts";
import { readTolerantly } from "../../lib/worker/tolerant.ts";
import { validate, type Invalid } from "../../lib/worker/validate.ts";
import { problem, type Answer, type Operation, type PathParameters } from "../operation.ts";
import { sendRequest, type FileBytes, type PlainRequest, type RequestSettings } from "./request.ts";

/**
 * A typed client of the HTTP API, from the same operations that the server validates with. It
 * leaves out what a later release answers beside:
 *
 *     const luna = createClient({ baseUrl: "http://localhost:8787", token });
 *     const body = { to, subject, text };
 *     const sent = await luna(sendEmail, { body, idempotencyKey: "receipt-1" });
 *     if (sent.ok) console.log(sent.body.id); else console.error(sent.problem.detail);
 */
export type Client = <const Called extends Operation>(
  operation: Called,
  request?: ClientRequest<Called>,
) => Promise<ClientAnswer<Called>>;

/** What an operation takes. Query values are text, as they stand in a URL. */
export type ClientRequest<Called extends Operation> = {
  params?: PathParameters<Called>;
  query?: Called["query"] extends v.GenericSchema ? v.InferInput<Called["query"]> : never;
  body?: Called["body"] extends v.GenericSchema ? v.InferInput<Called["body"]> : never;
  /** For an operation that stores a file: its bytes. Their type is the header Content-Type. */
  file?: Called["upload"] extends object ? FileBytes : never;
  idempotencyKey?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal;
};

type AnswerBodyOf<Given extends Answer> = Given extends v.GenericSchema
  ? v.InferOutput<Given>
  : Given extends null
    ? null
    : string;
type Success = 200 | 201 | 202 | 204;

/**
 * What it answers. `body`: validated; text where the answer is a page; null where there is none.
 * Anything except a success is a `problem`.
 */
export type ClientAnswer<Called extends Operation> =
  | {
      [Status in keyof Called["answers"] & Success]: {
        ok: true;
        status: Status;
        headers: Headers;
        body: AnswerBodyOf<Called["answers"][Status]>;
      };
    }[keyof Called["answers"] & Success]
  | { ok: false; status: number; headers: Headers; problem: v.InferOutput<typeof problem> };

/**
 * Path, query or key that HTTP cannot carry are answered as the server answers bad input, 422 with
 * the name of the field, and nothing is sent.
 *
 * @throws TypeError if the server cannot be reached, or answers what the operation does not
 *   describe
 */
export function createClient(settings: RequestSettings): Client {
  return async (operation, request = {}) => {
    const plain = request as PlainRequest;
    const refused = unsendable(plain);
    return (
      refused === null
        ? await read(operation, await sendRequest(settings, operation, plain))
        : { ok: false, status: 422, headers: new Headers(), problem: problemOf(refused) }
    ) as never;
  };
}

/** What a URL would carry changed, and a header not at all. The server checks the rest. */
function unsendable({ params, query, idempotencyKey }: PlainRequest): Invalid | null {
  const inUrl = validate(v.unknown(), { ...params, ...query });
  if (!inUrl.ok) return inUrl.error;
  const key = validate(v.object({ "Idempotency-Key": v.optional(keySchema) }), {
    "Idempotency-Key": idempotencyKey,
  });
  return key.ok ? null : key.error;
}

async function read(operation: Operation, response: Response): Promise<unknown> {
  const { status, headers } = response;
  const text = await response.text();
  const described = operation.answers[status];
  if (status >= 400) {
    const parsed = readTolerantly(problem, parsedJson(text));
    // What stands before the Worker, and /health while Luna is down, answer otherwise.
    const reported = parsed.success
      ? parsed.output
      : { type: "about:blank", title: "Failed", status, detail: text };
    return { ok: false, status, headers, problem: reported };
  }
  if (described === undefined)
    throw new TypeError(`${operation.id} answered ${status}, which it does not describe`);
  if (described === null) return { ok: true, status, headers, body: null };
  if ("mediaType" in described) return { ok: true, status, headers, body: text };
  const parsed = readTolerantly(described, parsedJson(text));
  if (!parsed.success)
    throw new TypeError(
      `${operation.id} answered what it does not describe: ` +
        (v.getDotPath(parsed.issues[0]) ?? "body"),
    );
  return { ok: true, status, headers, body: parsed.output };
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
