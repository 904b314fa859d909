/** The HTML of an email as a document for a sandboxed frame. Pure. */

/**
 * Runs nothing and loads nothing, except remote images if they are asked for: from such a request
 * their server learns that the email was opened. The policy stands before anything of the email,
 * which can only make it stricter.
 */
export function frameDocument(html: string, withImages: boolean): string {
  const images = withImages ? "data: https:" : "data:";
  const policy = `default-src 'none'; style-src 'unsafe-inline'; img-src ${images}`;
  return [
    '<!doctype html><meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    '<meta name="referrer" content="no-referrer">',
    html,
  ].join("");
}

/** Whether the HTML names an image, or another thing, on a server. */
export const hasRemote = (html: string): boolean =>
  /(?:src|srcset|background)\s*=\s*["']?\s*(?:https?:)?\/\/|url\(\s*["']?\s*(?:https?:)?\/\//i.test(
    html,
  );
