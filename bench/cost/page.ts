import { explained, type Assumptions } from "./assumptions.ts";
import { levers } from "./levers.ts";
import { bindsAt, limits } from "./limits.ts";
import {
  askedOf,
  billedFor,
  MONTH_SECONDS,
  usageOf,
  type Counts,
  type Design,
  type Load,
} from "./model.ts";
import {
  countsOn,
  sum,
  times,
  withSection,
  type PricedOperation,
  type Operations,
} from "./operations.ts";
import {
  bill,
  billed,
  marginal,
  prices,
  products,
  sources,
  SUBSCRIPTION_DOLLARS,
  total,
  type Product,
} from "./prices.ts";

/**
 * The tables of docs/operate/cost.md that follow from its counts. Pure: from the page as it is to
 * the page as it should be.
 */

const LOADS = [1e6, 100e6, 10e9];
const designs: readonly Design[] = ["luna", "naive"];
const MILLION = 1e6;

/** The page with its tables brought up to date. */
export function rendered(page: string, given: Assumptions): string {
  const counts = countsOn(page);
  const tables = {
    bills: billsTable(counts, given),
    marginal: marginalTable(counts, given),
    limits: limitsTable(counts, given),
    levers: leversTable(counts, given),
    assumptions: table(["", "assumed"], explained(given)),
    prices: pricesTable(),
  };
  return Object.entries(tables).reduce(
    (text, [name, lines]) => withSection(text, name, lines),
    page,
  );
}

function billsTable(counts: Counts, given: Assumptions): string {
  const bills = LOADS.flatMap((requests) =>
    designs.map((design) => bill(usageOf(design, requests, counts, given))),
  );
  const head = LOADS.flatMap((requests) =>
    designs.map((design) => `${spoken(requests)}, ${design}`),
  );
  const row = (product: Product): string[] => [
    product,
    ...bills.map((one) => dollars(one[product])),
  ];
  return table(
    ["dollars per month", ...head],
    [
      ["plan", ...bills.map(() => dollars(SUBSCRIPTION_DOLLARS))],
      ...products.map(row),
      [
        "all except logs",
        ...bills.map((one) => dollars(total(one) - one["Workers Logs"] + SUBSCRIPTION_DOLLARS)),
      ],
      ["**all**", ...bills.map((one) => `**${dollars(total(one) + SUBSCRIPTION_DOLLARS)}**`)],
    ],
  );
}

/** A million of one kind, as a load of nothing else. */
type Kind = {
  name: string;
  operations: readonly PricedOperation[];
  load: Partial<Load>;
  from?: Partial<Assumptions>;
};
const readsOnly = { requests: MILLION, reads: MILLION };
const emailsOnly = { requests: MILLION, emails: MILLION };
const noLoad: Load = {
  requests: 0,
  reads: 0,
  writes: 0,
  emails: 0,
  batches: 0,
  seen: 0,
  isolates: 0,
};
const kinds: readonly [Kind, ...Kind[]] = [
  {
    name: "reads from memory",
    operations: ["read from memory"],
    load: readsOnly,
    from: { fromMemory: 1, fromKv: 0, fromD1: 0 },
  },
  {
    name: "reads from KV",
    operations: ["read from KV"],
    load: readsOnly,
    from: { fromMemory: 0, fromKv: 1, fromD1: 0 },
  },
  {
    name: "reads from D1",
    operations: ["read from D1"],
    load: readsOnly,
    from: { fromMemory: 0, fromKv: 0, fromD1: 1 },
  },
  {
    name: "writes",
    operations: ["write with its purge"],
    load: { requests: MILLION, writes: MILLION },
  },
  {
    name: "emails, delivered one by one",
    operations: ["email accepted", "queue batch of 1 delivered"],
    load: emailsOnly,
  },
];

function marginalTable(counts: Counts, given: Assumptions): string {
  const cost = (done: Operations, emails = 0): number => {
    const deleted = times(emails / 100, counts["100 emails deleted"]);
    return total(marginal(billedFor(sum(done, deleted), emails, given)));
  };
  const costOf = ({ operations, load, from }: Kind, design: Design): number => {
    const all = { ...noLoad, ...load, batches: load.emails ?? 0 };
    const asked =
      design === "luna" ? [] : Object.values(askedOf("naive", all, counts, { ...given, ...from }));
    return cost(
      sum(...operations.map((name) => times(MILLION, counts[name])), ...asked),
      all.emails,
    );
  };
  const inBatches = ([10, 100] as const).map((size) => {
    const done = sum(
      times(MILLION, counts["email accepted"]),
      times(MILLION / size, counts[`queue batch of ${size} delivered`]),
    );
    return [`a million emails, delivered in batches of ${size}`, dollars(cost(done, MILLION)), "–"];
  });
  const paced = sum(
    counts["minute of leases"],
    counts["minute of syncs"],
    counts["minute of reports"],
  );
  const isolate = cost(times(MONTH_SECONDS / 60, paced));
  const [fromMemory] = kinds;
  const saved = (costOf(fromMemory, "naive") - costOf(fromMemory, "luna")) / MILLION;
  return table(
    ["dollars beyond what is included", ...designs],
    [
      ...kinds.map((kind) => [
        `a million ${kind.name}`,
        ...designs.map((design) => dollars(costOf(kind, design))),
      ]),
      ...inBatches,
      ["an isolate that is busy all month", dollars(isolate), "–"],
      [
        "requests per second from which on that is cheaper than to ask in each",
        spoken(isolate / MONTH_SECONDS / saved),
        "–",
      ],
    ],
  );
}

function limitsTable(counts: Counts, given: Assumptions): string {
  const rows = limits
    .map((limit) => ({
      ...limit,
      at: designs.map((design) => bindsAt(limit, design, counts, given)),
    }))
    .toSorted((one, other) => (one.at[0] ?? 0) - (other.at[0] ?? 0))
    .map(({ name, limit, source, lift, at }) => [
      name,
      `[${limit}](${source})`,
      ...at.map(spoken),
      lift,
    ]);
  return table(["what", "limit", "luna", "naive", "what lifts it"], rows);
}

function leversTable(counts: Counts, given: Assumptions): string {
  const most = LOADS.at(-1) ?? 0;
  const rows = levers.map(({ name, price, saved }) => [
    name,
    dollars(saved(most, counts, given)),
    price,
  ]);
  return table(["what", `dollars per month at ${spoken(most)}`, "for"], rows);
}

function pricesTable(): string {
  return table(
    ["", "unit", "included", "dollars", "for each"],
    billed.map((name) => {
      const { product, what, included, dollars: price, per } = prices[name];
      return [
        `[${product}](${sources[product]})`,
        what,
        spoken(included),
        String(price),
        spoken(per),
      ];
    }),
  );
}

const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |\n`;

function table(head: string[], rows: readonly string[][]): string {
  return [line(head), `|${"---|".repeat(head.length)}\n`, ...rows.map(line)].join("");
}

function dollars(amount: number): string {
  if (amount < 0.005) return "0";
  return amount < 100 ? amount.toFixed(2) : Math.round(amount).toLocaleString("en-US");
}

/** A number as people read it, to two digits. */
export function spoken(number: number): string {
  const units = [
    [1e12, "trillion"],
    [1e9, "billion"],
    [1e6, "million"],
  ] as const;
  const [unit, name] = units.find(([least]) => number >= least) ?? [1, ""];
  const said = Number((number / unit).toPrecision(number >= 1_000 && unit === 1 ? 6 : 2));
  return name === "" ? said.toLocaleString("en-US") : `${said} ${name}`;
}
