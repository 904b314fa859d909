import type { FieldError } from "../../lib/worker/validate.ts";
import { isNamed, type EmailMessage } from "../schemas.ts";
import type { WantedFiles, WhyNoFiles } from "./file.ts";

/** Each file that is not there, or else that all are too large together. */
export function fileErrors(
  { attachments = [] }: EmailMessage,
  wanted: WantedFiles | undefined,
  { missing, bytes }: WhyNoFiles,
): FieldError[] {
  const places = attachments.flatMap((one, n) => (isNamed(one) ? [n] : []));
  const absent = missing.map((place) => ({
    path: `attachments.${places[place] ?? place}.id`,
    message: "is no uploaded attachment of yours, or it is deleted",
  }));
  if (absent.length > 0) return absent;
  const room = wanted?.roomBytes ?? 0;
  const message = `must have at most ${room} bytes together, and the files have ${bytes}`;
  return [{ path: "attachments", message }];
}
