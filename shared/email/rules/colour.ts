/** Colours as `#rrggbb`, and the contrast of text on them. Pure. */

/** WCAG 2.2, success criterion 1.4.3: the least contrast of text of normal size. */
export const MIN_CONTRAST = 4.5;

const channelsOf = (colour: string): number[] =>
  [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));

/** https://www.w3.org/TR/WCAG22/#dfn-relative-luminance */
function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = channelsOf(colour).map((channel) => {
    const share = channel / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** From 1 to 21: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio */
export function contrast(one: string, other: string): number {
  const [light = 0, dark = 0] = [luminance(one), luminance(other)].toSorted((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

/** White if it is readable on the colour, else black: one of the two always is. */
export function textOn(colour: string): "#ffffff" | "#000000" {
  return contrast(colour, "#ffffff") >= MIN_CONTRAST ? "#ffffff" : "#000000";
}

const STEPS = 20;

/** The colour as readable text on a background: as it is, or mixed with black or white. */
export function asTextOn(background: string, colour: string): string {
  const towards = textOn(background);
  for (let step = 0; step < STEPS; step += 1) {
    const mixed = mix(colour, towards, step / STEPS);
    if (contrast(mixed, background) >= MIN_CONTRAST) return mixed;
  }
  return towards;
}

function mix(colour: string, other: string, share: number): string {
  const others = channelsOf(other);
  const channels = channelsOf(colour).map((channel, n) =>
    Math.round(channel + ((others[n] ?? 0) - channel) * share)
      .toString(16)
      .padStart(2, "0"),
  );
  return `#${channels.join("")}`;
}
