import { readText } from "../../shared/http/body.ts";

const MAX_FORM_BYTES = 1_024;

/** Which button or choice of a page was sent; null if the body is no form of a page. */
export async function readChoice(request: Request): Promise<string | null> {
  const form = await readText(request, { limitBytes: MAX_FORM_BYTES });
  return form.ok ? new URLSearchParams(form.value).get("choice") : null;
}
