import { fail, ok, type Result } from "../../lib/base/result.ts";
import type { BreakerEnv } from "../../lib/circuit-breaker/index.ts";
import type { Misconfigured } from "../../lib/worker/variables.ts";
import type { TransportName } from "../rules/transports.ts";
import {
  type EmailVariables,
  emailTransports,
  resendSettings,
  smtpSettings,
  transportRates,
} from "../settings.ts";
import { cloudflareTransport } from "./cloudflare.ts";
import { guardTransport } from "./guarded.ts";
import { resendTransport } from "./resend.ts";
import { smtpTransport } from "./smtp.ts";
import type { GuardedTransport, Transport } from "./transport.ts";

type TransportEnv = BreakerEnv & EmailVariables & { EMAIL?: SendEmail };

/**
 * The transports that `EMAIL_TRANSPORTS` names, in that order, each behind its breaker. For one
 * batch of mails.
 */
export function configuredTransports(env: TransportEnv): Result<GuardedTransport[], Misconfigured> {
  const names = emailTransports(env);
  if (!names.ok) return names;
  const rates = transportRates(env);
  if (!rates.ok) return rates;
  const transports: GuardedTransport[] = [];
  for (const name of names.value) {
    const transport = transportOf(env, name);
    if (!transport.ok) return transport;
    transports.push(guardTransport(env, name, transport.value, rates.value[name]));
  }
  return ok(transports);
}

function transportOf(env: TransportEnv, name: TransportName): Result<Transport, Misconfigured> {
  switch (name) {
    case "smtp": {
      const settings = smtpSettings(env);
      return settings.ok ? ok(smtpTransport(settings.value)) : settings;
    }
    case "cloudflare":
      if (env.EMAIL === undefined)
        return fail({
          tag: "misconfigured",
          variable: "EMAIL",
          message: "is not bound: the transport needs it",
        });
      return ok(cloudflareTransport(env.EMAIL));
    case "resend": {
      const settings = resendSettings(env);
      return settings.ok ? ok(resendTransport(settings.value)) : settings;
    }
  }
}
