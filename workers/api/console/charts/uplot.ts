import UPlot from "uplot";

/**
 * The chart library, in a file of its own: `chart.tsx` imports it after `language.ts`. The formatter
 * sorts a package before that, and then the library does not load if the browser's language is no
 * valid tag.
 */
export { UPlot };
