import type { EmailStatus } from "./lifecycle.ts";
import {
  afterReport,
  isOpen,
  recipientStateOf,
  type RecipientChange,
  type StoredRecipient,
} from "./recipients.ts";
import type { ProviderReport } from "./resend-feedback.ts";
import { afterFeedback } from "./transitions.ts";

/** What a provider's report changes. `suppress`: addresses. */
type Reported = { next: EmailStatus | null; changes: RecipientChange[]; suppress: string[] };

/** An email as it is when a report about it comes. */
type Reportable = {
  status: EmailStatus;
  recipients: readonly StoredRecipient[];
  /** The report is about the hand-over that the email is in, or was in last. */
  isCurrent: boolean;
};

/**
 * Decides what a report changes. With several recipients it is about those whom it names. One that
 * does not name a single recipient suppresses nobody, since it may be about another. An email to
 * one recipient that bounces at another address was forwarded there: it suppresses nobody either.
 */
export function afterProviderReport(
  { status, recipients, isCurrent }: Reportable,
  report: Pick<ProviderReport, "feedback" | "to" | "suppress" | "detail">,
): Reported {
  const { feedback, suppress } = report;
  const [first, ...others] = recipients;
  if (first !== undefined && others.length === 0) {
    return {
      next: isCurrent ? afterFeedback(status, feedback) : null,
      changes: [],
      suppress: suppress === null || !isAbout(first, report.to) ? [] : [first.address],
    };
  }
  const named = recipients.filter((one) => isNamed(one, report.to));
  const one = named.length === 1 ? named : [];
  if (feedback === "failed" && status === "sent")
    return { next: null, changes: isCurrent ? bouncedOf(recipients, report) : [], suppress: [] };
  const next = isCurrent ? ofWork(status, report, recipients) : null;
  const about = feedback === "delivered" ? named : one;
  const changes = isAboutAll(feedback)
    ? []
    : about.flatMap((recipient) => changeOf(recipient, next ?? status, report, isCurrent));
  return {
    next,
    changes: [
      ...acceptedBy(next ?? status, recipients, changes, isCurrent && next !== null),
      ...changes,
    ],
    suppress: suppress === null ? [] : one.map(({ address }) => address),
  };
}

const isNamed = ({ address }: Pick<StoredRecipient, "address">, to: readonly string[]): boolean =>
  to.includes(address.toLowerCase());

/** Whether it names an address to which the email did not go, such as one that forwards emails. */
export const namesAnother = (
  recipients: readonly Pick<StoredRecipient, "address">[],
  { to }: Pick<ProviderReport, "to">,
): boolean => to.length > 0 && !recipients.some((one) => isNamed(one, to));

/** A report that names no address is about the only recipient. */
const isAbout = (one: Pick<StoredRecipient, "address">, to: readonly string[]): boolean =>
  to.length === 0 || isNamed(one, to);

/** The provider could not send what it had accepted for them. */
const bouncedOf = (
  recipients: readonly StoredRecipient[],
  { detail }: Pick<ProviderReport, "detail">,
): RecipientChange[] =>
  recipients
    .filter(({ state }) => afterReport(recipientStateOf(state, "sent", false), "bounced") !== null)
    .map(({ n }) => ({ n, state: "bounced", detail }));

/** Each report except a failure shows that the provider has accepted the email for all. */
function ofWork(
  status: EmailStatus,
  { feedback }: Pick<ProviderReport, "feedback">,
  recipients: readonly StoredRecipient[],
): EmailStatus | null {
  if (feedback === "failed") return afterFeedback(status, "failed");
  const next = afterFeedback(status, "accepted");
  const isRefused = recipients.some(({ state }) => state === "refused");
  if (next !== "sent" || !isRefused) return next;
  // Its dead letter stays, for those who were refused.
  return status === "dead" ? null : "dead";
}

/** Who has the email by the report, where others have states of their own. */
function acceptedBy(
  status: EmailStatus,
  recipients: readonly StoredRecipient[],
  changes: readonly RecipientChange[],
  isNews: boolean,
): RecipientChange[] {
  const others = recipients.filter(({ state }) => !isOpen(state));
  if (!isNews || others.length === 0 || (status !== "sent" && status !== "dead")) return [];
  return recipients
    .filter(({ n, state }) => isOpen(state) && !changes.some((change) => change.n === n))
    .map(({ n }) => ({ n, state: "accepted", detail: null }));
}

/** It changes no recipient alone. A transient bounce ends nothing. */
const isAboutAll = (
  feedback: ProviderReport["feedback"],
): feedback is "accepted" | "failed" | "transient-bounce" =>
  feedback === "accepted" || feedback === "failed" || feedback === "transient-bounce";

function changeOf(
  { n, state }: StoredRecipient,
  status: EmailStatus,
  { feedback, detail }: Pick<ProviderReport, "feedback" | "detail">,
  isCurrent: boolean,
): RecipientChange[] {
  if (isAboutAll(feedback) || (state === null && !isCurrent)) return [];
  const next = afterReport(recipientStateOf(state, status, false), feedback);
  return next === null ? [] : [{ n, state: next, detail }];
}
