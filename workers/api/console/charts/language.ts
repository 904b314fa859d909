/** The language of the console. */
export const OWN_LANGUAGE = "en-GB";

/** Replaces a browser language that is no BCP 47 tag, such as `en-US@posix`. */
export function ensureLanguage(browser: { readonly language: string }): void {
  try {
    Intl.getCanonicalLocales(browser.language);
  } catch {
    Object.defineProperty(browser, "language", { value: OWN_LANGUAGE, configurable: true });
  }
}

// The chart library creates a number format for this language on import, and throws if the tag is
// invalid.
ensureLanguage(navigator);
