import { openApiDocument } from "../../shared/contract/openapi.ts";
import { operations } from "../../shared/contract/operations.ts";
import { apiPage } from "./api-page.ts";
import { errorsPage } from "./errors-page.ts";

/** The pages of `docs/reference` that are made from code, by path. */
export function referencePages(): Record<string, string> {
  const document: unknown = JSON.parse(JSON.stringify(openApiDocument(operations, "")));
  return {
    "docs/reference/api.md": apiPage(document as Parameters<typeof apiPage>[0]),
    "docs/reference/errors.md": errorsPage(),
  };
}
