/** SQL of an email's timeline: `email_events`, with a number per email. */

/**
 * SQL: the number of the next event of an email.
 *
 * @param emailId SQL for its id
 */
export const nextEvent = (emailId: string): string =>
  `(SELECT COALESCE(MAX(n), 0) + 1 FROM email_events WHERE email_id = ${emailId})`;
