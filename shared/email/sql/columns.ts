import type { CustomHeaders } from "../rules/custom-headers.ts";
import type { EmailStatus, OnUnknown } from "../rules/lifecycle.ts";
import type { AttemptDetail } from "../rules/outcome.ts";
import type { TransportName } from "../rules/transports.ts";
import type { WaitClass } from "../rules/waits.ts";
import type { Attachment, EmailCategory, EmailMessage, NamedAttachment } from "../schemas.ts";

/**
 * The columns of `emails` and `email_contents`, defined once: row types, INSERT and SELECT derive
 * from here. A field that `emailRequest` gets fails to compile until it has a column.
 */

declare const valueType: unique symbol;
/** The name of a column, with the type of what D1 answers for it. */
export type Column<Value> = string & { readonly [valueType]: (value: Value) => Value };
type ValueOf<Of> = Of extends Column<infer Value> ? Value : never;

declare const jsonType: unique symbol;
/** JSON text of a `Value`. */
export type Json<Value> = string & { readonly [jsonType]: Value };

export const column = <Value>(name: string): Column<Value> => name as Column<Value>;

/** What leaves with an email, of the row of `emails`. `OutgoingEmail` has these fields. */
export const headerColumns = {
  from: column<string>("from_address"),
  to: column<string>("to_address"),
  replyTo: column<string | null>("reply_to"),
  subject: column<string>("subject"),
};

/** What leaves with an email, of `email_contents`. `OutgoingEmail` has these fields, too. */
export const contentColumns = {
  html: column<string | null>("html"),
  text: column<string | null>("text"),
  attachments: column<Json<(Attachment | NamedAttachment)[]> | null>("attachments"),
  headers: column<Json<CustomHeaders> | null>("headers"),
};

/** How an email is treated, as its sender asked. */
const treatmentColumns = {
  onUnknown: column<OnUnknown>("on_unknown"),
  category: column<EmailCategory>("category"),
  tags: column<Json<string[]>>("tags"),
};

/**
 * The latest format of this release: of an email that a key for tests sent, or with a placeholder.
 * A claim leaves alone what a later release stored.
 */
export const FORMAT = 5;
/** Of an email that names an uploaded file, or a sender with an order of transports. */
export const NAMING_FORMAT = 4;
/** Of an email with several recipients, or another part that came with them. */
export const RECIPIENTS_FORMAT = 3;
/** Of an email without what came with format 3: the release before delivers it too. */
export const PLAIN_FORMAT = 2;

/**
 * `sendAt` is stored as `dueAt` too, which moves with each try. Recipients have a table of their
 * own.
 */
type StoredField = Exclude<keyof EmailMessage | "from", "sendAt" | "recipients">;

export const emailColumns = {
  ...({ ...headerColumns, ...treatmentColumns } satisfies Record<
    Exclude<StoredField, keyof typeof contentColumns>,
    string
  >),
  id: column<string>("id"),
  tenant: column<string>("tenant"),
  traceId: column<string | null>("trace_id"),
  /** Null: it named none. It may be deleted by now. */
  senderId: column<string | null>("sender_id"),
  format: column<number>("format"),
  /** 1: a key for tests sent it: it goes to no transport. */
  test: column<0 | 1>("test"),
  status: column<EmailStatus>("status"),
  generation: column<number>("generation"),
  part: column<number>("part"),
  generationAt: column<number>("generation_at"),
  attempts: column<number>("attempts"),
  dueAt: column<number>("due_at"),
  sendAt: column<number | null>("send_at"),
  /** 1: without a text of its own it gets the one made from its HTML, by each transport. */
  textFromHtml: column<0 | 1>("text_from_html"),
  notifyAfter: column<number>("ring_after"),
  rings: column<number>("rings"),
  leaseExpiresAt: column<number | null>("lease_expires_at"),
  transport: column<TransportName | null>("transport"),
  pinnedUntil: column<number | null>("pinned_until"),
  waitClass: column<WaitClass | "paused" | null>("wait_class"),
  waits: column<number>("waits"),
  waitsFrom: column<number | null>("waits_from"),
  waitingSince: column<number | null>("waiting_since"),
  lastError: column<Json<AttemptDetail> | null>("last_error"),
  createdAt: column<number>("created_at"),
  updatedAt: column<number>("updated_at"),
  sentAt: column<number | null>("sent_at"),
};

export type EmailField = keyof typeof emailColumns;
type Columns = Record<string, string>;
export type RowOf<Of extends Columns> = { [Field in keyof Of]: ValueOf<Of[Field]> };
export type EmailRow<Field extends EmailField = EmailField> = RowOf<
  Pick<typeof emailColumns, Field>
>;

/** The fields of a row of `emails` that its sender decides. */
export type SenderField = keyof typeof headerColumns | keyof typeof treatmentColumns;

/** Some columns of `emailColumns`. */
export function pick<const Field extends EmailField>(
  ...fields: Field[]
): Pick<typeof emailColumns, Field> {
  return Object.fromEntries(fields.map((field) => [field, emailColumns[field]])) as Pick<
    typeof emailColumns,
    Field
  >;
}

/** A column that is never NULL in the rows that a statement selects. */
export function notNull<Value>(nullable: Column<Value | null>): Column<Value> {
  return nullable as unknown as Column<Value>;
}

/** Columns to select, and the rows that D1 answers for them. */
export type Selection<Of extends Columns> = {
  /** For SELECT or RETURNING. `table`: the alias that the columns stand under. */
  list(table?: string): string;
  rows(reply: D1Result | undefined): RowOf<Of>[];
};

export function selectionOf<Of extends Columns>(columns: Of): Selection<Of> {
  return {
    list: (table) =>
      Object.entries(columns)
        .map(([field, name]) => `${table === undefined ? "" : `${table}.`}${name} AS "${field}"`)
        .join(", "),
    rows: (reply) => (reply?.results ?? []) as RowOf<Of>[],
  };
}

export function toJson<Value>(value: Value): Json<Value> {
  return JSON.stringify(value) as Json<Value>;
}

/** @throws SyntaxError if the text is no JSON */
export function fromJson<Value>(text: Json<Value>): Value {
  return JSON.parse(text) as Value;
}
