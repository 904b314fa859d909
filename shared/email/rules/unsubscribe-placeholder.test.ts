import { describe, expect, it } from "vitest";
import { countPlaceholders, withLink } from "./unsubscribe-placeholder.ts";

const url = 'https://luna.example/?a=1&b="$&';

describe("the placeholder of the link to unsubscribe", () => {
  it.each(["{{unsubscribeUrl}}", "{{ unsubscribeUrl }}", "{{{unsubscribeUrl}}}"])(
    "%s becomes the link, which HTML has escaped",
    (placeholder) => {
      expect(withLink(`${placeholder} ${placeholder}`, url, "text")).toBe(`${url} ${url}`);
      expect(withLink(`<a href="${placeholder}">`, url, "html")).toBe(
        '<a href="https://luna.example/?a=1&amp;b=&quot;$&amp;">',
      );
      expect(countPlaceholders({ html: placeholder, text: placeholder })).toBe(2);
    },
  );

  it("stays where there is no link, and nothing else is one", () => {
    const text = "{{unsubscribe}} {unsubscribeUrl} {{unsubscribeurl}} {{unsubscribeUrl";
    expect(withLink(text, url, "text")).toBe(text);
    expect(countPlaceholders({ html: null, text })).toBe(0);
    expect(withLink("{{unsubscribeUrl}}", null, "html")).toBe("{{unsubscribeUrl}}");
    expect(withLink(null, url, "html")).toBeNull();
  });
});
