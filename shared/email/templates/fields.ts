import { oneLine } from "../../lib/worker/one-line.ts";

/** What fills a placeholder: one line of text, since it may stand in a subject. */
export const singleLine = oneLine(200);
