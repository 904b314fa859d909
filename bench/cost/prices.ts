/**
 * Cloudflare's public list for the Workers Paid plan, in US dollars. Taken from its documentation
 * as of November 2026; logs as they are priced from 1 December 2026 on. Enterprise contracts
 * differ.
 */
export const sources = {
  Workers: "https://developers.cloudflare.com/workers/platform/pricing/#workers",
  D1: "https://developers.cloudflare.com/d1/platform/pricing/",
  KV: "https://developers.cloudflare.com/kv/platform/pricing/",
  "Durable Objects": "https://developers.cloudflare.com/durable-objects/platform/pricing/",
  Queues: "https://developers.cloudflare.com/queues/platform/pricing/",
  "Workers Logs": "https://developers.cloudflare.com/observability/pricing/",
} as const;
export type Product = keyof typeof sources;

export const products = Object.keys(sources) as Product[];

const MILLION = 1e6;

/** `dollars` for each `per` beyond what a month includes. */
type Price = { product: Product; what: string; included: number; dollars: number; per: number };

export const prices = {
  requests: { product: "Workers", what: "requests", included: 10e6, dollars: 0.3, per: MILLION },
  cpuMs: {
    product: "Workers",
    what: "CPU milliseconds",
    included: 30e6,
    dollars: 0.02,
    per: MILLION,
  },
  d1RowsRead: { product: "D1", what: "rows read", included: 25e9, dollars: 0.001, per: MILLION },
  d1RowsWritten: { product: "D1", what: "rows written", included: 50e6, dollars: 1, per: MILLION },
  d1Gb: { product: "D1", what: "GB stored", included: 5, dollars: 0.75, per: 1 },
  kvReads: { product: "KV", what: "keys read", included: 10e6, dollars: 0.5, per: MILLION },
  kvWrites: { product: "KV", what: "keys written", included: 1e6, dollars: 5, per: MILLION },
  kvDeletes: { product: "KV", what: "keys deleted", included: 1e6, dollars: 5, per: MILLION },
  objectRequests: {
    product: "Durable Objects",
    what: "requests",
    included: 1e6,
    dollars: 0.15,
    per: MILLION,
  },
  objectGbSeconds: {
    product: "Durable Objects",
    what: "GB-seconds",
    included: 400_000,
    dollars: 12.5,
    per: MILLION,
  },
  objectRowsRead: {
    product: "Durable Objects",
    what: "rows read",
    included: 25e9,
    dollars: 0.001,
    per: MILLION,
  },
  objectRowsWritten: {
    product: "Durable Objects",
    what: "rows written",
    included: 50e6,
    dollars: 1,
    per: MILLION,
  },
  queueOperations: {
    product: "Queues",
    what: "operations",
    included: 1e6,
    dollars: 0.4,
    per: MILLION,
  },
  logGb: { product: "Workers Logs", what: "GB taken in", included: 50, dollars: 0.25, per: 1 },
  logGbMonths: {
    product: "Workers Logs",
    what: "GB-months kept",
    included: 12,
    dollars: 0.1,
    per: 1,
  },
} as const satisfies Record<string, Price>;

export type Billed = keyof typeof prices;
export type Usage = Record<Billed, number>;

export const SUBSCRIPTION_DOLLARS = 5;

export const billed = Object.keys(prices) as Billed[];

/** What a month of this costs, by product and without the subscription. */
export function bill(usage: Usage): Record<Product, number> {
  return byProduct(
    (name) =>
      Math.max(usage[name] - prices[name].included, 0) * (prices[name].dollars / prices[name].per),
  );
}

/** What this costs on top, once everything that is included is used up. */
export function marginal(usage: Usage): Record<Product, number> {
  return byProduct((name) => usage[name] * (prices[name].dollars / prices[name].per));
}

export function total(dollars: Record<Product, number>): number {
  return products.reduce((sum, product) => sum + dollars[product], 0);
}

function byProduct(dollarsOf: (name: Billed) => number): Record<Product, number> {
  const of = (product: Product): number =>
    billed
      .filter((name) => prices[name].product === product)
      .reduce((sum, name) => sum + dollarsOf(name), 0);
  return Object.fromEntries(products.map((product) => [product, of(product)])) as Record<
    Product,
    number
  >;
}
