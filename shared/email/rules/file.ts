import * as v from "valibot";
import { oneLine } from "../../lib/worker/one-line.ts";
import { looksEncoded } from "./encoded-word.ts";

/** Files of emails: their names and types, and where uploaded ones are. Pure. */

/** All files, HTML and text of an email together, before they are encoded. */
export const MAX_EMAIL_BYTES = 26_214_400;

/** How long an uploaded file waits for the first email that names it. */
export const UNNAMED_FOR_MS = 86_400_000;

/** What a tenant may have of uploaded files that no email names yet. */
export const MAX_UNNAMED = { files: 500, bytes: 1_073_741_824 };

/**
 * RFC 2045, 5.1, as parts of a regular expression. `name` and `boundary` are left to who composes
 * the email.
 */
const token = "[\\w!#$&^.+-]+";
const quoted = String.raw`"[ !#-[\]-~]*"`;
const parameter = ` *; *(?!(name|boundary)=)${token}=(${token}|${quoted})`;
const MEDIA_TYPE = new RegExp(`^${token}/${token}(${parameter})*$`, "i");

export const DEFAULT_CONTENT_TYPE = "application/octet-stream";

export const fileName = v.pipe(
  oneLine(200),
  v.check((name) => !/[\\/"]/.test(name), "must not contain slashes or quotes"),
  v.check((name) => !looksEncoded(name), "must not look like an encoded-word (RFC 2047)"),
);

export const fileContentType = v.pipe(
  v.string("must be text"),
  v.maxLength(200, "is too long"),
  v.regex(MEDIA_TYPE, "must be a media type such as text/calendar; method=REQUEST"),
);

export const ALL_FOLDERS = "attachments/";

/** The folder of the objects of a day, which `at` is in. */
export const folderOf = (at: number): string =>
  `${ALL_FOLDERS}${new Date(at).toISOString().slice(0, 10)}/`;

/** Where R2 has the bytes of an uploaded file. */
export const objectKey = ({ id, createdAt }: { id: string; createdAt: number }): string =>
  `${folderOf(createdAt)}${id}`;

/** An uploaded file of an email that is handed over. */
export type FileOfEmail = {
  id: string;
  createdAt: number;
  sizeBytes: number;
  filename: string;
  contentType: string;
};

/**
 * What a new email needs of its files. `ids`: once for each attachment that names one. `roomBytes`:
 * for all of them together, beside the rest of the email.
 */
export type WantedFiles = { tenant: string; ids: readonly string[]; roomBytes: number };

/** Why a new email may not have its files. `missing`: places among the ids. */
export type WhyNoFiles = { missing: number[]; bytes: number };
