/** Text files as vite imports them. */
declare module "*?raw" {
  const text: string;
  export default text;
}

interface ImportMeta {
  /** All text files that a pattern matches, by their path. */
  glob(
    patterns: string | string[],
    options: { query: "?raw"; import: "default"; eager: true },
  ): Record<string, string>;
}
