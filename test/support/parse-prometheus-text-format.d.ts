declare module "parse-prometheus-text-format" {
  /** Of counters and gauges; a value is text. */
  export type Family = {
    name: string;
    metrics: { value?: string; labels?: Record<string, string> }[];
  };
  export default function parsePrometheusTextFormat(text: string): Family[] | undefined;
}
