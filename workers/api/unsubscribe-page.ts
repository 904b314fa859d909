import type { SuppressionScope } from "../../shared/email/rules/suppressions.ts";
import type { EmailCategory } from "../../shared/email/schemas.ts";

/** What a person reads who followed a link to unsubscribe. It names no address. Pure. */

type TitleAndBody = [title: string, body: string];

/** What a person calls the emails that they can unsubscribe from. */
const words = { notification: "notifications", marketing: "news" } as const;
type Category = keyof typeof words;
const categories = Object.keys(words) as Category[];

const form = (content: string): string => `<form method="post">${content}</form>`;
const choice = (value: string, text: string, isChosen = false): string =>
  `<p><label><input type="radio" name="choice" value="${value}"${isChosen ? " checked" : ""}> ` +
  `${text}</label></p>`;
const button = (value: string, text: string): string =>
  form(`<p><button name="choice" value="${value}">${text}</button></p>`);

const BOTH = "no more notifications and no more news";
const resubscribeButton = button("resubscribe", "Get these emails again");

/**
 * @param category of the email that has the link
 * @param from what the person has unsubscribed from
 */
export function unsubscribePage(
  category: EmailCategory,
  from: readonly SuppressionScope[],
): TitleAndBody {
  const stopped = categories.filter(
    (one) => from.includes("non-transactional") || from.includes(one),
  );
  const [only] = stopped;
  if (only === undefined) return ["Unsubscribe", asking(category)];
  if (stopped.length === categories.length)
    return [
      "You are unsubscribed",
      `<p>You will get ${BOTH} at this address.</p>${resubscribeButton}`,
    ];
  const isOther = category !== "transactional" && category !== only;
  return [
    isOther ? "Unsubscribe" : "You are unsubscribed",
    `<p>You will get no more ${words[only]} at this address.</p>${resubscribeButton}` +
      button("all", `No more ${words[only === "marketing" ? "notification" : "marketing"]} either`),
  ];
}

const submit = "<button>Unsubscribe</button>";

function asking(category: EmailCategory): string {
  const still = "<p>Emails about your account, such as receipts, still come.</p>";
  if (category === "transactional")
    return `<p>You will get ${BOTH} at this address.</p>${still}${form(submit)}`;
  return form(
    choice("all", "No more notifications and no more news", true) +
      choice("category", `Only no more ${words[category]}`) +
      `${still}${submit}`,
  );
}

export const resubscribedPage: TitleAndBody = [
  "You are subscribed again",
  "<p>You will get notifications and news at this address again.</p>",
];
