import { expect, it } from "vitest";
import { isBreakerName } from "./breaker-registry.ts";
import { seriesOf } from "./series.ts";

it.each([
  "prices",
  "email:smtp",
  "alerts:webhook",
  "Stripe.payments-v2",
  "api.example.com:8080",
  "productRecommendationService",
  "a",
])("%s is a name, and unchanged as a label", (name) => {
  expect(isBreakerName(name)).toBe(true);
  expect(seriesOf("of", { name })).toBe(`of{name=${name}}`);
});

it.each([
  "",
  "ada@example.com",
  "https://api.example.com",
  "10.0.0.1",
  "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
  "a b",
  "a\n",
  'a"',
  "a..b",
  ".a",
  "a.",
  "1a",
  "prices\u202e",
  "preise€",
  "x".repeat(41),
  `${"word-".repeat(12)}words`,
])("%j is no name", (name) => {
  expect(isBreakerName(name)).toBe(false);
});
