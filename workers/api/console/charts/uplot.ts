import UPlot from "uplot";

/**
 * The chart library, in a file of its own so that `chart.tsx` imports it after `language.ts`: it
 * does not load if the browser's language is no valid tag. The formatter sorts a package first.
 */
export { UPlot };
