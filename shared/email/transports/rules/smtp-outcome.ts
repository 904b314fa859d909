import { cut } from "../../../lib/base/cut.ts";
import type { AttemptDetail, Outcome } from "../../rules/outcome.ts";

/**
 * What an SMTP failure means for the email, by phase and code (RFC 5321, 4.2.1 and 4.3.2; enhanced
 * codes: RFC 3463). The first row that fits counts.
 *
 * | Observed | Outcome |
 * |---|---|
 * | no reply after the body began, or one that is no refusal | unknown: the server may have it |
 * | connection, banner, EHLO, STARTTLS or AUTH failed | the server failed |
 * | what answers does not speak SMTP, or does not answer before the body | the server failed |
 * | 421 at any time: the server shuts down | the server failed |
 * | 503: the server and this connection do not agree on what came before | the server failed |
 * | a refusal with X.3.1, X.3.2 or X.3.5: about the mail system | the server failed |
 * | larger than SIZE, or a recipient that cannot be expressed | refused for good, by the client |
 * | 5yz to MAIL, RCPT, DATA or the body | refused for good |
 * | 4yz whose text is about greylisting | needs time |
 * | 450, 451, 452 or 454 whose text is about a rate, with X.7.z or without a code | rate-limited |
 * | 4yz with X.2.z, X.4.z or X.7.z, or whose text asks to come later | needs time |
 * | any other 4yz to MAIL, RCPT, DATA or the body | refused for now |
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
  if (!aboutThisEmail.has(detail.phase)) return { kind: "server_failed", detail };
  if (refusal) return refusedAs(responseCode, detail);
  if (code === "EMESSAGE" || code === "EENVELOPE") return { kind: "refused_permanent", detail };
  return { kind: detail.phase === "API" ? "refused_transient" : "server_failed", detail };
}

/** @param code 400 or more, to a command that is about this email */
function refusedAs(code: number, detail: AttemptDetail): Outcome {
  if (isAboutConnection(code) || isSystemStatus(detail)) return { kind: "server_failed", detail };
  if (code >= 500) return { kind: "refused_permanent", detail };
  const { enhancedCode = "", text } = detail;
  const asked = askedWaitMs(text);
  const retryAfterMs = asked === null ? {} : { retryAfterMs: asked };
  if (GREYLISTED.test(text)) return { kind: "needs_time", detail, ...retryAfterMs };
  if (isRateLimit(code, detail)) {
    const resetMs = asked ?? (QUOTA.test(text) ? QUOTA_RETRY_MS : null);
    return { kind: "rate_limited", detail, ...(resetMs !== null && { retryAfterMs: resetMs }) };
  }
  if (/^4\.[247]\./.test(enhancedCode) || asked !== null || LATER.test(text))
    return { kind: "needs_time", detail, ...retryAfterMs };
  return { kind: "refused_transient", detail };
}

/**
 * Whether an outcome is a failure of the server, for its circuit breaker. A refusal of this email
 * shows that the server is there and answers: greylisting, an unknown user, a large email. So does
 * a limit: the transport goes slower instead.
 */
export function countsAsSmtpFailure({ kind }: Outcome): boolean {
  return kind === "server_failed" || kind === "unknown";
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
      : responseCode >= 400 && !isAboutConnection(responseCode);
  const phase = phaseOf(command, false);
  if (responseCode !== undefined && phase === "MAIL FROM") return false;
  return refused && aboutThisEmail.has(phase);
}

/** Replies about the connection, to any command (RFC 5321, 4.2.2): shut down, bad sequence. */
export const isAboutConnection = (code: number | string): boolean => code === 421 || code === 503;

/**
 * RFC 3463, 3.4: of the mail system as a whole: full, not accepting emails, misconfigured. X.3.4,
 * too big, is about the email; X.3.0 names nothing.
 */
function isSystemStatus({ enhancedCode }: AttemptDetail): boolean {
  return /^[45]\.3\.[125]$/.test(enhancedCode ?? "");
}

const GREYLISTED = /gr[ae]y-?\s?list/i;
const LATER = /\b(?:try|retry|come back|again)\b.{0,40}\blater\b|\bdeferred\b/i;
const RATE = /throttl|\brates?\b|\btoo (?:many|much|fast)\b|\bquota\b|\blimit(?:s|ed)?\b/i;
/** Without an enhanced code a full mailbox is "over quota", too. */
const CERTAIN_RATE = /throttl|\b(?:sending|send|message) (?:rate|limit|quota)\b|\brate limit/i;
const QUOTA = /\bdaily\b|\bper day\b|\bquota\b/i;
/** When to look again after a quota, if the server names no time. */
const QUOTA_RETRY_MS = 3_600_000;
const rateCodes = new Set([450, 451, 452, 454]);

/** RFC 3463, 3.8: X.7.z is policy. An unknown limit of a mailbox (X.2.z) is about the recipient. */
function isRateLimit(code: number, { enhancedCode, text }: AttemptDetail): boolean {
  if (!rateCodes.has(code)) return false;
  return enhancedCode === undefined
    ? CERTAIN_RATE.test(text)
    : enhancedCode.startsWith("4.7.") && RATE.test(text);
}

const AMOUNT =
  /\b(?:in|after|for|wait|least)\s+(\d{1,6})\s*(s(?:ec\w*)?|m(?:in\w*)?|h(?:rs?|ours?)?)\b/i;
const SECOND_MS = 1_000;
const unitsMs: readonly [RegExp, number][] = [
  [/^s/i, SECOND_MS],
  [/^m/i, 60 * SECOND_MS],
  [/^h/i, 3_600 * SECOND_MS],
];

/**
 * The time after which a server asks to be tried again, in milliseconds: "try again in 300
 * seconds", "come back in 00:04:58", "deferred for 5 minutes". Null if its text names none.
 */
export function askedWaitMs(text: string): number | null {
  const [, amount, unit = ""] = AMOUNT.exec(text) ?? [];
  const unitMs = unitsMs.find(([pattern]) => pattern.test(unit))?.[1];
  if (amount !== undefined && unitMs !== undefined) return Number(amount) * unitMs;
  const clock = /\b(?:in|after)\s+(\d{1,2}):(\d{2})(?::(\d{2}))?\b/i.exec(text);
  if (clock === null) return null;
  const [first = 0, second = 0, third] = clock
    .slice(1)
    .map((part) => (part === undefined ? undefined : Number(part)));
  const seconds = third === undefined ? first * 60 + second : first * 3_600 + second * 60 + third;
  return seconds * SECOND_MS;
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
