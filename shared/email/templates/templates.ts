import * as v from "valibot";
import type { Failure } from "../../http/failure.ts";
import { fail, ok, type Result } from "../../lib/base/result.ts";
import { validate } from "../../lib/worker/validate.ts";
import type { Brand } from "../brand.ts";
import { accountDeleted } from "./account-deleted.ts";
import { addressChangeRequested } from "./address-change-requested.ts";
import { addressChanged } from "./address-changed.ts";
import { addressConfirmation } from "./address-confirmation.ts";
import { addressInUse } from "./address-in-use.ts";
import { apiKeyCreated } from "./api-key-created.ts";
import { apiKeyRevoked } from "./api-key-revoked.ts";
import { apiKeyRotated } from "./api-key-rotated.ts";
import { cancellation } from "./cancellation.ts";
import { enterpriseContact } from "./enterprise-contact.ts";
import { paymentSuccess } from "./payment-success.ts";
import { renderTemplate, type RenderedEmail, type Template } from "./render.ts";
import { senderUnverified } from "./sender-unverified.ts";
import { senderVerification } from "./sender-verification.ts";
import { teamInvitation } from "./team-invitation.ts";
import { trialExpiry } from "./trial-expiry.ts";
import { usageReport } from "./usage-report.ts";
import { welcome } from "./welcome.ts";

/** Every template, by its name in the API. */
const templates = {
  welcome,
  "trial-expiry": trialExpiry,
  "payment-success": paymentSuccess,
  cancellation,
  "usage-report": usageReport,
  "enterprise-contact": enterpriseContact,
  "address-confirmation": addressConfirmation,
  "sender-verification": senderVerification,
  "sender-unverified": senderUnverified,
  "address-in-use": addressInUse,
  "address-change-requested": addressChangeRequested,
  "address-changed": addressChanged,
  "api-key-created": apiKeyCreated,
  "api-key-rotated": apiKeyRotated,
  "api-key-revoked": apiKeyRevoked,
  "account-deleted": accountDeleted,
  "team-invitation": teamInvitation,
};

export type TemplateName = keyof typeof templates;
export const templateNames = Object.keys(templates) as [TemplateName, ...TemplateName[]];

export const templateName = v.picklist(templateNames, `must be one of ${templateNames.join(", ")}`);

/** What fills a template. */
export const templateData = (
  name: TemplateName,
): v.StrictObjectSchema<v.ObjectEntries, undefined> => templates[name].data;

/** @returns the email, or `invalid` with the path of each field of `data` that is wrong */
export function renderNamed(
  name: TemplateName,
  data: unknown,
  brand: Brand,
): Result<RenderedEmail, Extract<Failure, { tag: "invalid" }>> {
  const template = templates[name] as Template<v.GenericSchema<unknown, object>>;
  const checked = validate(template.data, data ?? {});
  if (checked.ok) return ok(renderTemplate(template, checked.value, brand));
  const errors = checked.error.errors.map(({ path, message }) => ({
    path: path === "body" ? "data" : `data.${path}`,
    message,
  }));
  return fail({ tag: "invalid", errors });
}

/** The email with its example. */
export function preview(name: TemplateName, brand: Brand): RenderedEmail {
  const template = templates[name];
  return renderTemplate(template, template.example, brand);
}
