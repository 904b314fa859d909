import { cut } from "../../../lib/base/cut.ts";
import type { AttemptDetail, Outcome } from "../../rules/outcome.ts";

/**
 * What an SMTP failure means for the email, by phase and code (RFC 5321, 4.2.1 and 4.3.2; enhanced
 * codes: RFC 3463).
 *
 * | Observed | Outcome |
 * |---|---|
 * | connection, banner, EHLO, STARTTLS or AUTH failed | refused for now: not about this email |
 * | 4yz to MAIL, RCPT, DATA or the body | refused for now |
 * | 5yz to MAIL, RCPT, DATA or the body | refused for good |
 * | larger than SIZE, or a recipient that cannot be expressed | refused for good, by the client |
 * | what answers does not speak SMTP | refused for now |
 * | 421 at any time | refused for now: the server is shutting down |
 * | a refusal with X.3.0, X.3.1, X.3.2 or X.3.5 | refused for now: it is about the mail system |
 * | no reply after the body began, or one that is no refusal | unknown: the server may have it |
 * | no reply before the body | refused for now |
 */
export function classifySmtpError(error: unknown, handedOver: boolean): Outcome {
  const { message, code, command, responseCode, response } = describe(error);
  const detail: AttemptDetail = {
    transport: "smtp",
    phase:
      response !== undefined && responseCode === undefined && !handedOver
        ? "PROTOCOL"
        : phaseOf(command, handedOver),
    text: cut(response ?? message, MAX_TEXT_LENGTH),
  };
  if (responseCode !== undefined) detail.code = responseCode;
  const enhancedCode =
    response === undefined ? undefined : /^\d{3}[ -]([245]\.\d{1,3}\.\d{1,3})/.exec(response)?.[1];
  if (enhancedCode !== undefined) detail.enhancedCode = enhancedCode;

  const refusal = responseCode !== undefined && responseCode >= 400;
  if (handedOver && !refusal) return { kind: "unknown", detail };
  if (!aboutThisEmail.has(detail.phase)) return { kind: "refused_transient", detail };
  const permanent = refusal
    ? responseCode >= 500 && !isSystemStatus(detail)
    : code === "EMESSAGE" || code === "EENVELOPE";
  return { kind: permanent ? "refused_permanent" : "refused_transient", detail };
}

/**
 * Whether an outcome is a failure of the server, for its circuit breaker. A refusal of this email
 * shows that the server is there and answers: greylisting, an unknown user, a large email. It is
 * the server that is in trouble when it cannot be reached or does not answer, shuts down (421), or
 * means that the mail system is (RFC 3463, 3.4: X.3.0 other, X.3.1 full, X.3.2 not accepting, X.3.5
 * misconfigured).
 */
export function countsAsSmtpFailure({ kind, detail }: Outcome): boolean {
  switch (kind) {
    case "accepted":
    case "deferred":
      return false;
    case "unknown":
      return true;
    case "refused_transient":
    case "refused_permanent":
      return !aboutThisEmail.has(detail.phase) || detail.code === 421 || isSystemStatus(detail);
  }
}

/**
 * Whether the server refused an email, and not the used connection that it came by. MAIL names the
 * sender of all emails, so a refusal there may be about the connection: a limit of emails for each.
 */
export function refusesThisEmail(error: unknown): boolean {
  const { responseCode, command, code } = describe(error);
  const refused =
    responseCode === undefined
      ? code === "EMESSAGE" || code === "EENVELOPE"
      : responseCode >= 400 && responseCode !== 421;
  const phase = phaseOf(command, false);
  if (responseCode !== undefined && phase === "MAIL FROM") return false;
  return refused && aboutThisEmail.has(phase);
}

/** RFC 3463, 3.4: of the mail system as a whole. X.3.4, too big, is about the email. */
function isSystemStatus({ enhancedCode }: AttemptDetail): boolean {
  return /^[45]\.3\.[0125]$/.test(enhancedCode ?? "");
}

const MAX_TEXT_LENGTH = 500;
/** "API" is nodemailer's own check of the envelope. */
const aboutThisEmail = new Set(["API", "MAIL FROM", "RCPT TO", "DATA", "BODY"]);

function phaseOf(command: string | undefined, handedOver: boolean): string {
  if (handedOver) return "BODY";
  return command ?? "CONN";
}

type SmtpError = {
  message: string;
  code?: string;
  command?: string;
  responseCode?: number;
  response?: string;
};

/** nodemailer's error fields; anything else that is thrown has at least a text. */
function describe(error: unknown): SmtpError {
  if (!(error instanceof Error)) return { message: String(error) };
  const fields = error as Error & Partial<SmtpError>;
  return {
    message: error.message,
    ...(typeof fields.code === "string" ? { code: fields.code } : {}),
    ...(typeof fields.command === "string" ? { command: fields.command } : {}),
    ...(typeof fields.responseCode === "number" && fields.responseCode > 0
      ? { responseCode: fields.responseCode }
      : {}),
    ...(typeof fields.response === "string" ? { response: fields.response } : {}),
  };
}
