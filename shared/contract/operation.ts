import * as v from "valibot";
import type { Failure } from "../http/failure.ts";
import { time } from "../http/time.ts";
import { named } from "../lib/worker/named.ts";

/** One operation of the HTTP API, as it is routed, validated, documented, tested and called. */
export type Operation = {
  /** A verb and its object, such as `createUser`. */
  id: string;
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  /** Segments that begin with a colon are parameters. */
  path: string;
  access: Access;
  tag: string;
  summary: string;
  /** Parameters of the path with a schema. Other parameters are text as it stands in the URL. */
  params?: Record<string, Parameter>;
  query?: v.GenericSchema;
  body?: v.GenericSchema;
  /** The most bytes of the body; 1 MiB by default. */
  maxBodyBytes?: number;
  /** The body is a file of any media type, with a Content-Length. Its handler reads it. */
  upload?: { maxBytes: number };
  /** Takes an Idempotency-Key. Another write refuses a request that has one. */
  idempotent?: boolean;
  /** Takes `If-Match` with the `ETag` of the object: it is changed only if it is as it was read. */
  conditional?: boolean;
  /**
   * The request carries a signature. Only requests without a valid one count for the network that
   * they come from: a provider sends as many as there are emails.
   */
  signed?: boolean;
  /** The answers to a request that was accepted, by status; null has no body. */
  answers: Record<number, Answer>;
  /** A browser gets a page where other clients get JSON. */
  page?: true;
  /** Failures beyond those that follow from its access, parameters, query and body. */
  problems: readonly Failure["tag"][];
};

/** Whether it answers a person in a browser. Then its failures are pages too, if asked for HTML. */
export function isPage({ answers, page: alsoPage }: Operation): boolean {
  if (alsoPage === true) return true;
  const answer = answers[200];
  if (answer === undefined || answer === null || !("mediaType" in answer)) return false;
  return answer.mediaType === "text/html";
}

export const isWrite = ({ method }: Operation): boolean => method !== "GET";

/** A parameter of the path. */
export type Parameter = {
  schema: v.GenericSchema<string>;
  /**
   * What the value names. A value that the schema refuses is answered 404 with this word, and 422
   * where there is none.
   */
  names?: string;
  /** The value is percent-encoded text. Other values are compared as they stand in the URL. */
  encoded?: true;
};

export type Answer =
  | v.GenericSchema
  | { mediaType: "text/html" | "text/plain" | "text/csv" | "application/json" }
  | null;

/** Who may call an operation, with a key that has its scope (`scopes.ts`). */
export type Access =
  | "anyone"
  /** An operator: one that writes, or reads personal data of accounts. */
  | "admin"
  /** An operator: one that the role viewer has too. */
  | "viewer"
  /** Any user. An operator is not a user. */
  | "user"
  /** Any valid key. It shows the caller's own objects, and all objects to an operator. */
  | "reader"
  /** An operator, any user, or any team. */
  | "caller"
  /** An operator or any user. */
  | "person"
  /** An operator, or the user named in the path. */
  | "self"
  /** An operator, or a user or team that may send emails. */
  | "mailer";

type ParameterNames<Path extends string> = Path extends `${string}:${infer Name}/${infer Rest}`
  ? Name | ParameterNames<`/${Rest}`>
  : Path extends `${string}:${infer Name}`
    ? Name
    : never;

type OutputOf<Schema> = Schema extends v.GenericSchema ? v.InferOutput<Schema> : undefined;

/** Text for each parameter of a path. */
export type PathParameters<Called extends Operation> = Record<
  ParameterNames<Called["path"]>,
  string
>;

/** The parameters of the path as a handler gets them: validated. */
export type ParamsOf<Called extends Operation> = {
  [Name in ParameterNames<Called["path"]>]: Called["params"] extends Record<
    Name,
    { schema: infer Schema extends v.GenericSchema }
  >
    ? v.InferOutput<Schema>
    : string;
};

/** The query as a handler gets it; undefined for an operation that takes none. */
export type QueryOf<Called extends Operation> = OutputOf<Called["query"]>;

/** The body as a handler gets it; undefined for an operation that takes none. */
export type BodyOf<Called extends Operation> = OutputOf<Called["body"]>;

export function operation<const Defined extends Operation>(defined: Defined): Defined {
  return defined;
}

export const count = v.pipe(v.number(), v.integer());

/** One page of a list; `nextCursor` is there while more follow. */
export const page = <Item extends v.GenericSchema>(item: Item) =>
  v.strictObject({ items: v.array(item), nextCursor: v.optional(v.string()) });

/** RFC 9457. `errors` names each refused field. */
export const problem = named("Problem", {
  type: v.pipe(v.string(), v.startsWith("urn:luna:problem:")),
  title: v.string(),
  status: v.pipe(v.number(), v.integer(), v.minValue(400), v.maxValue(599)),
  detail: v.string(),
  errors: v.optional(v.array(v.strictObject({ path: v.string(), message: v.string() }))),
});

/** The timeline of an email: each change, and each attempt with the server's answer. */
export const emailEvents = v.array(
  named("EmailEvent", {
    type: v.string(),
    at: time,
    generation: count,
    detail: v.optional(v.unknown()),
  }),
);
