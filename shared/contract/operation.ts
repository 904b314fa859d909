import * as v from "valibot";
import type { Failure } from "../http/failure.ts";
import { time } from "../http/time.ts";

/** One operation of the HTTP API, as it is routed, validated, documented, tested and called. */
export type Operation = {
  /** A verb and its object, such as `createUser`. */
  id: string;
  method: "GET" | "POST" | "PATCH" | "DELETE";
  /** Segments that begin with a colon are parameters. */
  path: string;
  access: Access;
  tag: string;
  summary: string;
  /** What the parameters of the path must look like; text where nothing is said. */
  params?: Record<string, v.GenericSchema>;
  query?: v.GenericSchema;
  body?: v.GenericSchema;
  /** Takes an Idempotency-Key. */
  idempotent?: boolean;
  /**
   * Is not limited in its rate: providers call it as often as there were mails, and sign what they
   * say.
   */
  unlimited?: boolean;
  /** The answers to a request that was accepted, by status; null has no body. */
  answers: Record<number, Answer>;
  /** How it may fail beyond what follows from its access, parameters, query and body. */
  problems: readonly Failure["tag"][];
};

export type Answer =
  | v.GenericSchema
  | { mediaType: "text/html" | "text/plain" | "application/json" }
  | null;

/** Who may call an operation. */
export type Access =
  | "anyone"
  /** The admin. */
  | "admin"
  /** Who may look at everything and change nothing: the admin, or the token for reading. */
  | "viewer"
  /** Any user, with their key; not the admin, who is none. */
  | "user"
  /** Any valid token; what it shows is the caller's own, and everybody's to a viewer. */
  | "reader"
  /** The admin or any user. */
  | "caller"
  /** The admin, or the user named in the path. */
  | "self"
  /** The admin, or a user whose key has the scope `emails:send`. */
  | "mailer";

export function operation<const Defined extends Operation>(defined: Defined): Defined {
  return defined;
}

export const count = v.pipe(v.number(), v.integer());

/** One page of a list; `nextCursor` is there while more follow. */
export const page = <Item extends v.GenericSchema>(item: Item) =>
  v.strictObject({ items: v.array(item), nextCursor: v.optional(v.string()) });

/** RFC 9457. `errors` names each field that is to blame. */
export const problem = v.strictObject({
  type: v.pipe(v.string(), v.startsWith("urn:luna:problem:")),
  title: v.string(),
  status: v.pipe(v.number(), v.integer(), v.minValue(400), v.maxValue(599)),
  detail: v.string(),
  errors: v.optional(v.array(v.strictObject({ path: v.string(), message: v.string() }))),
});

/** The timeline of a mail: each change, and each attempt with what the server said. */
export const emailEvents = v.array(
  v.strictObject({
    type: v.string(),
    at: time,
    generation: count,
    detail: v.optional(v.unknown()),
  }),
);
