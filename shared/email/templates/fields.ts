import * as v from "valibot";
import { headerText } from "../rules/address.ts";

/** What fills a placeholder: one line of text, since it may stand in a subject. */
export const singleLine = v.pipe(headerText(200), v.nonEmpty("is empty"));
