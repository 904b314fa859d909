import type { EmailStatus, OnUnknown } from "../rules/lifecycle.ts";
import type { AttemptDetail } from "../rules/outcome.ts";
import type { TransportName } from "../rules/transports.ts";
import type { Attachment, EmailCategory, EmailMessage } from "../schemas.ts";

/**
 * The columns of `emails`, defined once: row types, INSERT and SELECT derive from here. A field
 * that `emailRequest` gets fails to compile until it has a column.
 */

declare const valueType: unique symbol;
/** The name of a column, with the type of what D1 answers for it. */
export type Column<Value> = string & { readonly [valueType]: (value: Value) => Value };
type ValueOf<Of> = Of extends Column<infer Value> ? Value : never;

declare const jsonType: unique symbol;
/** JSON text of a `Value`. */
export type Json<Value> = string & { readonly [jsonType]: Value };

const column = <Value>(name: string): Column<Value> => name as Column<Value>;

/** What leaves with an email. `OutgoingEmail` has these fields. */
export const contentColumns = {
  from: column<string>("from_address"),
  to: column<string>("to_address"),
  replyTo: column<string | null>("reply_to"),
  subject: column<string>("subject"),
  html: column<string | null>("html"),
  text: column<string | null>("text"),
  attachments: column<Json<Attachment[]> | null>("attachments"),
};

/** How an email is treated, as its sender asked. */
const treatmentColumns = {
  onUnknown: column<OnUnknown>("on_unknown"),
  category: column<EmailCategory>("category"),
  tags: column<Json<string[]>>("tags"),
};

/** `sendAt` is stored as `dueAt`. */
type StoredField = Exclude<keyof EmailMessage, "sendAt">;

export const emailColumns = {
  ...({ ...contentColumns, ...treatmentColumns } satisfies Record<StoredField, string>),
  id: column<string>("id"),
  tenant: column<string>("tenant"),
  traceId: column<string | null>("trace_id"),
  status: column<EmailStatus>("status"),
  generation: column<number>("generation"),
  generationAt: column<number>("generation_at"),
  attempts: column<number>("attempts"),
  dueAt: column<number>("due_at"),
  ringAfter: column<number>("ring_after"),
  rings: column<number>("rings"),
  leaseExpiresAt: column<number | null>("lease_expires_at"),
  transport: column<TransportName | null>("transport"),
  pinnedUntil: column<number | null>("pinned_until"),
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

/** The fields of an email that its sender decides. */
export type SenderField = keyof typeof contentColumns | keyof typeof treatmentColumns;

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

/** A new row of `emails`. */
export function insertRow<Field extends EmailField>(
  db: D1Database,
  row: EmailRow<Field>,
): D1PreparedStatement {
  const fields = Object.keys(row) as Field[];
  const columns = fields.map((field) => emailColumns[field]).join(", ");
  const values = fields.map((_, place) => `?${place + 1}`).join(", ");
  return db
    .prepare(`INSERT INTO emails (${columns}) VALUES (${values})`)
    .bind(...fields.map((field) => row[field]));
}

export function toJson<Value>(value: Value): Json<Value> {
  return JSON.stringify(value) as Json<Value>;
}

/** @throws SyntaxError if the text is no JSON */
export function fromJson<Value>(text: Json<Value>): Value {
  return JSON.parse(text) as Value;
}
