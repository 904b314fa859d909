import { fail, ok, type Result } from "../../lib/base/result.ts";
import type { BreakerEnv } from "../../lib/circuit-breaker/index.ts";
import { log } from "../../lib/worker/log.ts";
import type { Misconfigured } from "../../lib/worker/variables.ts";
import { returnPathSettings } from "../feedback-settings.ts";
import { signedReturnPath } from "../return-path.ts";
import { transports, type SettingsOf, type TransportName } from "../rules/transports.ts";
import {
  emailTransports,
  transportRates,
  transportSettings,
  type EmailVariables,
} from "../settings.ts";
import { cloudflareTransport } from "./cloudflare.ts";
import { guardTransport } from "./guarded.ts";
import { resendTransport } from "./resend.ts";
import { ehloName } from "./rules/ehlo-name.ts";
import { sesTransport } from "./ses.ts";
import { smtpTransport, type ReturnPath } from "./smtp.ts";
import type { GuardedTransport, Transport } from "./transport.ts";

type TransportEnv = BreakerEnv & EmailVariables & { EMAIL?: SendEmail };

type Factory<Name extends TransportName> = (
  settings: SettingsOf<Name>,
  env: TransportEnv,
) => Result<Transport, Misconfigured>;

/**
 * The code that sends, for each transport of `rules/transports.ts`. It stands apart from the
 * definitions because only the consumer loads the libraries that it needs.
 */
const factories: { readonly [Name in TransportName]: Factory<Name> } = {
  smtp: (settings, env) => {
    const { PUBLIC_URL: publicUrl, EMAIL_FROM: from } = env;
    const returnPath = returnPathOf(env);
    return ok(
      smtpTransport({
        ...settings,
        ehloName: ehloName({ configured: settings.ehloName, publicUrl, sender: from }),
        ...(returnPath !== null && { returnPath }),
      }),
    );
  },
  cloudflare: (_settings, { EMAIL: binding }) =>
    binding === undefined
      ? fail({
          tag: "misconfigured",
          variable: "EMAIL",
          message: "is not bound: the transport needs it",
        })
      : ok(cloudflareTransport(binding)),
  resend: (settings) => ok(resendTransport(settings)),
  ses: (settings) => ok(sesTransport(settings)),
};

/** Emails leave also where it is misconfigured: then without feedback. */
function returnPathOf(env: TransportEnv): ReturnPath | null {
  const settings = returnPathSettings(env);
  if (!settings.ok) {
    const { variable, message } = settings.error;
    log("error", "email.feedback_misconfigured", { variable, problem: message });
    return null;
  }
  const { value } = settings;
  return value === null ? null : (email) => signedReturnPath(value, email, Date.now());
}

/**
 * The transports that `EMAIL_TRANSPORTS` names, in that order, each behind its breaker. For one
 * batch of emails.
 */
export function configuredTransports(env: TransportEnv): Result<GuardedTransport[], Misconfigured> {
  const names = emailTransports(env);
  if (!names.ok) return names;
  const rates = transportRates(env);
  if (!rates.ok) return rates;
  const configured: GuardedTransport[] = [];
  for (const name of names.value) {
    const transport = create(env, name, factories[name]);
    if (!transport.ok) return transport;
    configured.push(guardTransport(env, transports[name], transport.value, rates.value[name]));
  }
  return ok(configured);
}

function create<Name extends TransportName>(
  env: TransportEnv,
  name: Name,
  factory: Factory<Name>,
): Result<Transport, Misconfigured> {
  const settings = transportSettings(env, name);
  return settings.ok ? factory(settings.value, env) : settings;
}
