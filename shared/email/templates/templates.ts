import * as v from "valibot";
import type { Failure } from "../../http/failure.ts";
import { fail, ok, type Result } from "../../lib/base/result.ts";
import { validate } from "../../lib/worker/validate.ts";
import { cancellation } from "./cancellation.ts";
import { enterpriseContact } from "./enterprise-contact.ts";
import { paymentSuccess } from "./payment-success.ts";
import { renderTemplate, type RenderedEmail, type Template } from "./render.ts";
import { trialExpiry } from "./trial-expiry.ts";
import { usageReport } from "./usage-report.ts";
import { welcome } from "./welcome.ts";

/** Every template, by the name that the API knows. */
const templates = {
  welcome,
  "trial-expiry": trialExpiry,
  "payment-success": paymentSuccess,
  cancellation,
  "usage-report": usageReport,
  "enterprise-contact": enterpriseContact,
};

export type TemplateName = keyof typeof templates;
export const templateNames = Object.keys(templates) as [TemplateName, ...TemplateName[]];

export const templateName = v.picklist(templateNames, `must be one of ${templateNames.join(", ")}`);

/** @returns the email, or `invalid` with the path of each field of `data` that is wrong */
export function renderNamed(
  name: TemplateName,
  data: unknown,
): Result<RenderedEmail, Extract<Failure, { tag: "invalid" }>> {
  const template = templates[name] as Template<v.GenericSchema<unknown, object>>;
  const checked = validate(template.data, data ?? {});
  if (checked.ok) return ok(renderTemplate(template, checked.value));
  const errors = checked.error.errors.map(({ path, message }) => ({
    path: path === "body" ? "data" : `data.${path}`,
    message,
  }));
  return fail({ tag: "invalid", errors });
}

/** The email with its example. */
export function preview(name: TemplateName): RenderedEmail {
  const template = templates[name];
  return renderTemplate(template, template.example);
}
