import { convert, type HtmlToTextOptions } from "html-to-text";
import { cut } from "../../lib/base/cut.ts";

/**
 * Nested or unclosed tags cost html-to-text time that grows with the square of the input, and in
 * the end the stack: within these limits the worst input takes about 100 ms.
 */
const MAX_HTML_FOR_TEXT = 100_000;
const MAX_DEPTH = 64;

/** An image in the HTML itself. It is no text, and must not use up the limit. */
const IMAGE_DATA = /\bsrc\s*=\s*("data:[^"]*"|'data:[^']*')/gi;

const options: HtmlToTextOptions = {
  wordwrap: 78,
  limits: { maxDepth: MAX_DEPTH },
  formatters: {
    alt: (element, _walk, builder) => {
      builder.addInline(element.attribs?.["alt"] ?? "");
    },
  },
  selectors: [{ selector: "img", format: "alt" }],
};

/**
 * The text of an HTML body, for readers without HTML. An image leaves its `alt`. A text that had to
 * be cut ends with `[...]`. Empty if the HTML cannot be read.
 */
export function textOf(html: string): string {
  try {
    const read = html.replaceAll(IMAGE_DATA, "");
    const text = convert(cut(read, MAX_HTML_FOR_TEXT), options);
    return read.length > MAX_HTML_FOR_TEXT ? `${text}\n\n[...]` : text;
  } catch {
    // The email leaves with its HTML alone: that is better than not at all.
    return "";
  }
}
