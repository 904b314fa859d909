import { expect, it } from "vitest";
import { ensureLanguage } from "./language.ts";

it.each(["en-US@posix", "", "C", "en_GB"])(
  "a browser whose language is %j, which is no language tag, gets one",
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

it("a browser's language that nobody may write is replaced all the same", () => {
  const browser: { readonly language: string } = new (class {
    get language(): string {
      return "en-US@posix";
    }
  })();
  ensureLanguage(browser);
  expect(browser.language).toBe("en-GB");
});
