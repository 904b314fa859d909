import * as v from "valibot";
import { ok, type Result } from "../lib/base/result.ts";
import { trimmedLine } from "../lib/worker/one-line.ts";
import { readVariables, type Misconfigured, type VariablesOf } from "../lib/worker/variables.ts";
import { asTextOn, textOn } from "./rules/colour.ts";

/**
 * The brand of the product: what its customers see in emails, on pages and in headers. The sender
 * is `EMAIL_FROM`.
 */
export type Brand = {
  name: string;
  /** The name in ASCII, for headers and for the beginning of API keys: `acme-inc`. */
  slug: string;
  colours: BrandColours;
  /** Null: the name stands in its place. Its alternative text is the name. Sizes in pixels. */
  logo: { url: string; width: number; height: number } | null;
  /** One line under each email and page, such as a postal address; empty for none. */
  footer: string;
  /** BCP 47: the `lang` of emails and pages, and the form of dates and numbers. */
  language: string;
  /** The header by which an email is recognized: its id and generation. */
  emailIdHeader: string;
};

/** `brand`: a background, with text in `onBrand`. `onLight`, `onDark`: the colour as text. */
type BrandColours = { brand: string; onBrand: string; onLight: string; onDark: string };

/** The backgrounds of emails and pages. */
export const surfaces = { light: "#ffffff", dark: "#1f1f2b" } as const;

/** As if `PRODUCT_NAME` were not set. */
export const DEFAULT_NAME = "Luna";
const DEFAULT_COLOUR = "#4b3fce";
const DEFAULT_LANGUAGE = "en-GB";
/** The inner width of an email. */
const MAX_LOGO_WIDTH = 496;
const MAX_LOGO_HEIGHT = 200;

/** Empty text is as no text. */
const orDefault = <Schema extends v.GenericSchema<string, unknown>>(
  schema: Schema,
  fallback: string,
) =>
  v.pipe(
    v.optional(v.string(), fallback),
    v.transform((text) => (text.trim() === "" ? fallback : text.trim())),
    schema,
  );

const nameVariable = v.object({
  // The three have a meaning in a sender.
  PRODUCT_NAME: orDefault(
    v.pipe(trimmedLine(60), v.regex(/^[^<>"]*$/, 'must not contain <, > or "')),
    DEFAULT_NAME,
  ),
});

const colourVariable = v.object({
  PRODUCT_COLOUR: orDefault(
    v.pipe(
      v.string(),
      v.regex(/^#?[0-9a-f]{6}$/i, "must be a colour such as #4b3fce"),
      v.transform((text) => `#${text.replace("#", "").toLowerCase()}`),
    ),
    DEFAULT_COLOUR,
  ),
});

const logoVariable = v.object({
  PRODUCT_LOGO: v.optional(
    v.pipe(
      v.string(),
      v.transform(logoFrom),
      v.check(
        (logo) => logo !== undefined,
        "must be an https URL and its width and height in pixels, at most " +
          `${MAX_LOGO_WIDTH}x${MAX_LOGO_HEIGHT}, such as https://example.com/logo.png 120x32`,
      ),
      v.transform((logo) => logo ?? null),
    ),
    "",
  ),
});

const footerVariable = v.object({
  PRODUCT_FOOTER: v.optional(
    v.union([v.pipe(v.string(), v.trim(), v.literal("")), trimmedLine(300)]),
    "",
  ),
});

const languageVariable = v.object({
  PRODUCT_LANGUAGE: orDefault(
    v.pipe(
      v.string(),
      v.check(isKnownLanguage, "must be a language tag such as en-GB or de"),
      v.transform((tag) => new Intl.Locale(tag).toString()),
    ),
    DEFAULT_LANGUAGE,
  ),
});

export type BrandVariables = VariablesOf<typeof nameVariable> &
  VariablesOf<typeof colourVariable> &
  VariablesOf<typeof logoVariable> &
  VariablesOf<typeof footerVariable> &
  VariablesOf<typeof languageVariable>;

/** Null for no logo; undefined if the text names none. */
function logoFrom(text: string): Brand["logo"] | undefined {
  if (text.trim() === "") return null;
  const [, url = "", width, height] =
    /^(https:\/\/[^\s"'<>;,]+) (\d{1,3})x(\d{1,3})$/.exec(text.trim()) ?? [];
  const logo = { url, width: Number(width), height: Number(height) };
  const fits =
    logo.width >= 1 &&
    logo.height >= 1 &&
    logo.width <= MAX_LOGO_WIDTH &&
    logo.height <= MAX_LOGO_HEIGHT;
  return URL.canParse(url) && fits ? logo : undefined;
}

function isKnownLanguage(tag: string): boolean {
  try {
    return Intl.DateTimeFormat.supportedLocalesOf(tag).length > 0;
  } catch {
    return false;
  }
}

type ReadBrand = { brand: Brand; wrong: Misconfigured[] };

/** What was read from the variables of an isolate, which do not change. */
const known = new WeakMap<BrandVariables, ReadBrand>();

/**
 * The valid settings of the brand. An invalid one gets its default, so that no email waits for it,
 * and is listed in `wrong`.
 */
function readBrand(env: BrandVariables): ReadBrand {
  const brand = known.get(env) ?? brandFrom(env);
  known.set(env, brand);
  return brand;
}

function brandFrom(env: BrandVariables): ReadBrand {
  const read = [
    readVariables(nameVariable, env),
    readVariables(colourVariable, env),
    readVariables(logoVariable, env),
    readVariables(footerVariable, env),
    readVariables(languageVariable, env),
  ] as const;
  const [named, coloured, pictured, footed, spoken] = read;
  const name = named.ok ? named.value.PRODUCT_NAME : DEFAULT_NAME;
  const colour = coloured.ok ? coloured.value.PRODUCT_COLOUR : DEFAULT_COLOUR;
  return {
    brand: {
      name,
      slug: slugOf(name),
      colours: {
        brand: colour,
        onBrand: textOn(colour),
        onLight: asTextOn(surfaces.light, colour),
        onDark: asTextOn(surfaces.dark, colour),
      },
      logo: pictured.ok ? pictured.value.PRODUCT_LOGO : null,
      footer: footed.ok ? footed.value.PRODUCT_FOOTER : "",
      language: spoken.ok ? spoken.value.PRODUCT_LANGUAGE : DEFAULT_LANGUAGE,
      // The first is released: who has no brand of their own may look for it.
      emailIdHeader: name === DEFAULT_NAME ? "X-Luna-Email" : "X-Email-ID",
    },
    wrong: read.flatMap((one) => (one.ok ? [] : [one.error])),
  };
}

const MAX_SLUG_LENGTH = 20;

function slugOf(name: string): string {
  const slug = name
    .normalize("NFKD")
    .toLowerCase()
    .replaceAll(/[\u0300-\u036f]/g, "")
    .replaceAll(/[^a-z0-9]+/g, "-")
    .slice(0, MAX_SLUG_LENGTH)
    .replaceAll(/^-|-$/g, "");
  // RFC 9651, 3.3.4: a token begins with a letter.
  return /^[a-z]/.test(slug) ? slug : "product";
}

/** The brand, with the default of what is invalid. */
export function brandOf(env: BrandVariables): Brand {
  return readBrand(env).brand;
}

/** The variables of the brand that are invalid. */
export function wrongBrandVariables(env: BrandVariables): Misconfigured[] {
  return readBrand(env).wrong;
}

/** For the start and for deployments, which stop at the first invalid setting. */
export function checkBrand(env: BrandVariables): Result<null, Misconfigured> {
  const [wrong] = wrongBrandVariables(env);
  return wrong === undefined ? ok(null) : { ok: false, error: wrong };
}
