import * as v from "valibot";

/**
 * Messages of Amazon SNS as they come over HTTPS. Pure.
 * https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
 */

const text = v.pipe(v.string(), v.maxLength(200_000));
const shared = {
  MessageId: v.pipe(v.string(), v.maxLength(200)),
  TopicArn: v.pipe(v.string(), v.maxLength(500)),
  Message: text,
  Timestamp: text,
  SignatureVersion: v.picklist(["1", "2"]),
  Signature: text,
  SigningCertURL: v.pipe(v.string(), v.url(), v.maxLength(2_000)),
};
const confirming = {
  ...shared,
  Token: text,
  SubscribeURL: v.pipe(v.string(), v.url(), v.maxLength(2_000)),
};

export const snsMessage = v.variant("Type", [
  v.object({ ...shared, Type: v.literal("Notification"), Subject: v.optional(text) }),
  v.object({ ...confirming, Type: v.literal("SubscriptionConfirmation") }),
  v.object({ ...confirming, Type: v.literal("UnsubscribeConfirmation") }),
]);
export type SnsMessage = v.InferOutput<typeof snsMessage>;

const signedFields = {
  Notification: ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"],
  SubscriptionConfirmation: [
    "Message",
    "MessageId",
    "SubscribeURL",
    "Timestamp",
    "Token",
    "TopicArn",
    "Type",
  ],
} as const;

/**
 * What a message is signed over
 * (https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message-verify-message-signature.html).
 */
export function signedText(message: SnsMessage): string {
  const { Type: type } = message;
  const names =
    type === "Notification" ? signedFields.Notification : signedFields.SubscriptionConfirmation;
  const values = message as Readonly<Record<string, string | undefined>>;
  return names
    .flatMap((name) => (values[name] === undefined ? [] : [`${name}\n${values[name]}\n`]))
    .join("");
}

/** The region of a topic; empty if its name is malformed. */
const regionOf = (topicArn: string): string => topicArn.split(":")[3] ?? "";

/** Loopback stands in for AWS where it is allowed. */
type Trust = { topicArn: string; allowLoopback: boolean };

/** Whether a URL in a message leads to SNS itself, in the region of the topic. */
export function isOfSns(url: string, { topicArn, allowLoopback }: Trust): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, hostname, username, port } = new URL(url);
  if (allowLoopback && protocol === "http:" && hostname === "127.0.0.1") return true;
  const host = `sns.${regionOf(topicArn)}.amazonaws.com`;
  const isHost = hostname === host || hostname === `${host}.cn`;
  return protocol === "https:" && isHost && username === "" && port === "";
}
