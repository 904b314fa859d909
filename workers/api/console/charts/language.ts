/** The language that the console is written in. */
export const OWN_LANGUAGE = "en-GB";

/** Gives a browser whose language is no BCP 47 tag, such as `en-US@posix`, the console's own. */
export function ensureLanguage(browser: { readonly language: string }): void {
  try {
    Intl.getCanonicalLocales(browser.language);
  } catch {
    Object.defineProperty(browser, "language", { value: OWN_LANGUAGE, configurable: true });
  }
}

// The chart library makes a number format for this language while it is imported, and throws if it
// is no tag.
ensureLanguage(navigator);
