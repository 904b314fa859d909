import { WEBHOOK_BREAKER } from "../alerts/rules/conditions.ts";
import { alertSettings, type AlertVariables } from "../alerts/settings.ts";
import { emailBreaker, transportNames } from "../email/rules/transports.ts";
import { emailTransports, type EmailVariables } from "../email/settings.ts";
import { dependencies, type Dependency } from "./dependencies.ts";

/**
 * The dependencies that this Luna calls, by its settings. An invalid setting counts as used, since
 * what may be in use must not be shown as unused.
 */
export function usedDependencies(
  env: AlertVariables & Pick<EmailVariables, "EMAIL_TRANSPORTS">,
): Dependency[] {
  const named = emailTransports(env);
  const { webhookUrl, wrong } = alertSettings(env);
  const hasWebhook =
    webhookUrl !== null || wrong.some(({ variable }) => variable === "ALERT_WEBHOOK_URL");
  const unused = new Set<string>([
    ...transportNames
      .filter((name) => named.ok && !named.value.includes(name))
      .map((name) => emailBreaker(name)),
    ...(hasWebhook ? [] : [WEBHOOK_BREAKER]),
  ]);
  return dependencies.filter((name) => !unused.has(name));
}
