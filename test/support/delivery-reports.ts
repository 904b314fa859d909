/**
 * Delivery reports (RFC 3464) in the forms of servers that are in use, with the fields and the
 * order that each of them writes.
 */

/** What a server states of one recipient. */
export type Stated = {
  to: string;
  /** Written as Original-Recipient by servers that know it. */
  original?: string;
  action?: string;
  status?: string;
  diagnostic?: string;
};

type Form = {
  headers: string[];
  boundary: string;
  /** Of the part for people, and of the status. */
  parts: { text: string; status: string };
  /** What came back: the type of its part, and itself. */
  returned: [string, string[]];
  message: string[];
  recipient: (stated: Required<Stated>) => string[];
};

const original = ["From: Luna <hello@luna.example>", "Subject: Hello", "", "Hello there"];

/** As https://github.com/vdukhovni/postfix/blob/master/postfix/src/bounce/bounce_notify_util.c. */
const postfix: Form = {
  headers: [
    "Received: by mx.example.net (Postfix) id 4XqTFx2Wz1z9; Mon, 30 Nov 2026 10:00:00 +0000 (UTC)",
    "Date: Mon, 30 Nov 2026 10:00:00 +0000 (UTC)",
    "From: MAILER-DAEMON@mx.example.net",
    "Subject: Undelivered",
    "Auto-Submitted: auto-replied",
    "Message-Id: <4XqTFx2Wz1z9@mx.example.net>",
  ],
  boundary: "4XqTFx1vWTz9.1764496800/mx.example.net",
  parts: {
    text: "Content-Description: Notification\nContent-Type: text/plain; charset=us-ascii",
    status: "Content-Description: Notification\nContent-Type: message/delivery-status",
  },
  returned: ["message/rfc822", original],
  message: [
    "Reporting-MTA: dns; mx.example.net",
    "X-Postfix-Queue-ID: 4XqTFx1vWTz9",
    "X-Postfix-Sender: rfc822; hello@luna.example",
    "Arrival-Date: Mon, 30 Nov 2026 09:59:59 +0000 (UTC)",
  ],
  recipient: (one) => [
    `Final-Recipient: rfc822; ${one.to}`,
    `Original-Recipient: rfc822;${one.original}`,
    `Action: ${one.action}`,
    `Status: ${one.status}`,
    "Remote-MTA: dns; mail.example.net",
    // It folds after 60 characters.
    `Diagnostic-Code: smtp; ${one.diagnostic.replace(/(.{20,60}) /g, "$1\n    ")}`,
  ],
};

/**
 * As https://learn.microsoft.com/openspecs/exchange_server_protocols/ms-oxcmail/ (2.1.3.6) writes
 * it: without Original-Recipient.
 */
const exchange: Form = {
  headers: [
    "From: Microsoft Outlook <postmaster@contoso.example>",
    "Subject: Undeliverable: Hello",
    "Auto-Submitted: auto-replied",
    "X-MS-Exchange-Message-Is-Ndr:",
    "Message-ID: <a0f5@DB7PR01MB0000.eurprd01.prod.exchangelabs.com>",
  ],
  boundary: "b7d3c2f1-0000-4000-8000-000000000000",
  parts: {
    text: "Content-Type: text/html; charset=us-ascii\nContent-Transfer-Encoding: 7bit",
    status: "Content-Type: message/delivery-status",
  },
  returned: ["message/rfc822", original],
  message: [
    "Reporting-MTA: dns;DB7PR01MB0000.eurprd01.prod.exchangelabs.com",
    "Received-From-MTA: dns;AM0PR01MB0000.eurprd01.prod.exchangelabs.com",
    "Arrival-Date: Mon, 30 Nov 2026 09:59:59 +0000",
    "",
  ],
  recipient: (one) => [
    `Final-Recipient: rfc822;${one.to}`,
    `Action: ${one.action}`,
    `Status: ${one.status}`,
    `Diagnostic-Code: smtp;${one.diagnostic}`,
    `X-Display-Name: ${one.to}`,
  ],
};

/** As https://support.google.com/mail/answer/6596 comes back: the answer of the other server in lines. */
const gmail: Form = {
  headers: [
    "From: <mailer-daemon@googlemail.com>",
    "Auto-Submitted: auto-replied",
    "Subject: Delivery Status Notification (Failure)",
    "Message-ID: <656a.0500@mx.google.com>",
  ],
  boundary: "000000000000a1b2c3061234abcd",
  parts: {
    text: 'Content-Type: text/plain; charset="UTF-8"',
    status: "Content-Type: message/delivery-status",
  },
  returned: ["message/rfc822", original],
  message: [
    "Reporting-MTA: dns; googlemail.com",
    "Received-From-MTA: dns; hello@luna.example",
    "Arrival-Date: Mon, 30 Nov 2026 01:59:59 -0800 (PST)",
    "X-Original-Message-ID: <1@luna.example>",
  ],
  recipient: (one) => [
    `Final-Recipient: rfc822; ${one.to}`,
    `Action: ${one.action}`,
    `Status: ${one.status}`,
    "Remote-MTA: dns; mx.example.net. (192.0.2.1, the server for the domain example.net.)",
    `Diagnostic-Code: smtp; ${one.diagnostic.replace(/(.{20,60}) /g, "$1\n ")}`,
    "Last-Attempt-Date: Mon, 30 Nov 2026 02:00:00 -0800 (PST)",
  ],
};

/** As https://github.com/Exim/exim/blob/master/test/mail/0224.CALLER: Action first, Status 5.0.0. */
const exim: Form = {
  headers: [
    "X-Failed-Recipients: ada@example.com",
    "Auto-Submitted: auto-replied",
    "From: <Mailer-Daemon@mx.example.net>",
    "Subject: returning message to sender",
    "Message-Id: <E1gG1vN-0001Tn-1c@mx.example.net>",
  ],
  boundary: "1764496800-eximdsn-2034587503",
  parts: {
    text: "Content-type: text/plain; charset=us-ascii",
    status: "Content-type: message/delivery-status",
  },
  returned: ["text/rfc822-headers", original.slice(0, 2)],
  message: ["Reporting-MTA: dns; mx.example.net"],
  recipient: (one) => [
    `Action: ${one.action}`,
    `Final-Recipient: rfc822;${one.to}`,
    "Status: 5.0.0",
    "Remote-MTA: dns; mail.example.net",
    `Diagnostic-Code: smtp; ${one.diagnostic}`,
  ],
};

export const forms = { postfix, exchange, gmail, exim } as const;
export type FormName = keyof typeof forms;

/** The status alone. */
export function statusOf(name: FormName, stated: readonly Stated[]): string {
  const { message, recipient } = forms[name];
  const blocks = stated.map((one) =>
    recipient({
      original: one.to,
      action: "failed",
      status: "5.1.1",
      diagnostic: "550 5.1.1 The email account that you tried to reach does not exist.",
      ...one,
    }).join("\n"),
  );
  return `${[message.join("\n").trimEnd(), ...blocks].join("\n\n")}\n`;
}

/** The whole email, as a server sends it to the Return-Path. */
export function deliveryReport(
  name: FormName,
  returnPath: string,
  stated: readonly Stated[],
): string {
  const { headers, boundary, parts, returned } = forms[name];
  return [
    ...headers,
    `To: <${returnPath}>`,
    "MIME-Version: 1.0",
    "Content-Type: multipart/report; report-type=delivery-status;",
    `\tboundary="${boundary}"`,
    "",
    `--${boundary}`,
    parts.text,
    "",
    "This is the mail system. Your message could not be delivered.",
    "",
    `--${boundary}`,
    parts.status,
    "",
    statusOf(name, stated),
    `--${boundary}`,
    `Content-Type: ${returned[0]}`,
    "",
    ...returned[1],
    "",
    `--${boundary}--`,
    "",
  ]
    .join("\n")
    .replaceAll("\n", "\r\n");
}

/** The automatic reply of a person (RFC 3834), to the Return-Path. */
export const automaticReply = (returnPath: string): string =>
  [
    "From: Ada <ada@example.com>",
    `To: <${returnPath}>`,
    "Subject: Out of office",
    "Auto-Submitted: auto-replied",
    "Message-ID: <away@example.com>",
    "Content-Type: text/plain; charset=utf-8",
    "",
    "I am away. Action: failed",
    "",
  ].join("\r\n");

export const streamOf = (text: string): ReadableStream<Uint8Array> =>
  new Blob([text]).stream() as ReadableStream<Uint8Array>;
