import { expect, it } from "vitest";
import { ensureLanguage } from "./language.ts";

it.each(["en-US@posix", "", "C", "en_GB"])(
  "a browser whose language is %j, an invalid tag, gets a valid one",
  (language) => {
    const browser = { language };
    ensureLanguage(browser);
    expect(() => new Intl.NumberFormat(browser.language)).not.toThrow();
  },
);

it.each(["en-US", "de", "zh-Hant-TW"])("a browser whose language is %j keeps it", (language) => {
  const browser = { language };
  ensureLanguage(browser);
  expect(browser.language).toBe(language);
});

it("a read-only language of a browser is replaced too", () => {
  const browser: { readonly language: string } = new (class {
    get language(): string {
      return "en-US@posix";
    }
  })();
  ensureLanguage(browser);
  expect(browser.language).toBe("en-GB");
});
