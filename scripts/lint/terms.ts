import { readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * The words that docs, comments and strings do not use, each with what to write instead. Patterns
 * are regular expressions of whole words, in any case.
 */
type Term = readonly [pattern: string, instead: string];

const COUNTED = "once|twice|times|requests?|emails?|calls?|reads?|writes?|messages?|dollars";
const PERIOD = "second|minute|hour|day|week|month|year";

const plainEnglish: readonly Term[] = [
  ["who(?:so)?ever", "the person who"],
  ["whatever", "what, or the noun"],
  ["anew", "again"],
  ["mend(?:s|ed|ing)?", "fix"],
  ["for ever", "forever"],
  ["of late", "recently"],
  ["in plain sight", "the page or list that shows it"],
  ["(?:stand|stands|stood) (?:for good|in plain)", "stays"],
  ["(?<=\\w )of it(?=[.,;:)])", "the noun, or nothing"],
  ["(?:tell|tells|telling|told)", "report, notify, distinguish"],
  ["(?:say|says|said|saying)", "report, state, show"],
  ["(?:hears|heard)", "receives"],
  ["(?<!who )knows", "has, stores, recognizes"],
  ["speaks? up", "alerts"],
  ["(?:all|any|every|everything|nothing|none|anything|no) but", "except"],
  [`(?:${COUNTED}) (?:a|an|each) (?:${PERIOD})`, "per"],
  ["beyond price|at home|on its feet|of its own accord", "the plain fact"],
];

/** Words of the glossary's *Not:* that also have an ordinary meaning. */
const ORDINARY = new Set(
  (
    "advice fill finding flight grant judge landing lease letter " +
    "order pay say spare tell trouble turn verb"
  ).split(" "),
);

/** The words that the glossary replaces: `*Not:* a, b` in the row of a term. */
export function glossaryTerms(glossary: string): Term[] {
  return [...glossary.matchAll(/^\| ([^|]+?) \|.*\*Not:\* ([^|]+?) \|$/gm)].flatMap(
    ([, term = "", list = ""]) =>
      list
        .replace(/\(.*?\)|(?:, which|, except).*$/g, "")
        .split(/, /)
        .map((word) => word.trim())
        .filter((word) => /^[a-z][a-z -]+$/.test(word) && !ORDINARY.has(word))
        .map((word): Term => [`${word}s?`, term]),
  );
}

const MAIL_TERMS: readonly Term[] = [
  ["mails?(?!\\s(?:server|system|client|merge|exchanger))", "email"],
];

const GLOSSARY = join(import.meta.dirname, "../../docs/glossary.md");

/** Every term, as a pattern of whole words. Reads the glossary. */
export const terms: readonly Term[] = [
  ...plainEnglish,
  ...MAIL_TERMS,
  ...glossaryTerms(readFileSync(GLOSSARY, "utf8")).filter(([word]) => word !== "mails?"),
].map(([pattern, instead]) => [
  // A line may end between two words.
  `(?<![\\w./:@-])(?:${pattern.replaceAll(" ", "\\s")})(?![\\w/:@-])`,
  instead,
]);

const compiled = terms.map(([pattern, instead]) => ({
  pattern: new RegExp(pattern, "i"),
  instead,
}));

/** What is wrong with the words of a text: empty if nothing is. Pure. */
export function wrongWords(text: string): string[] {
  return compiled.flatMap(({ pattern, instead }) => {
    const found = pattern.exec(text);
    return found === null ? [] : [`"${found[0]}": write ${instead}`];
  });
}
