import { oneLine } from "../../lib/worker/one-line.ts";

/** RFC 5322, 2.1.1: a line has at most 998 characters. */
export const MAX_SUBJECT_LENGTH = 998 - "Subject: ".length;

export const emailSubject = oneLine(MAX_SUBJECT_LENGTH);
