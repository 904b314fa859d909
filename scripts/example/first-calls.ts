type Urls = { storefrontUrl: string; pricesUrl: string; mailboxUrl: string };

/** What to try with the storefront, as lines that can be copied into a shell. */
export function firstCalls({ storefrontUrl, pricesUrl, mailboxUrl }: Urls): string[] {
  const post = "curl -s -X POST";
  const customer = "email=bob@example.com&id=1";
  return [
    "",
    "# a cached query: the second answer has Cache-Status: storefront; hit",
    `curl -i '${storefrontUrl}/price?sku=tea'`,
    `# a user by RPC and a receipt by queue; both emails are in ${mailboxUrl}`,
    `${post} '${storefrontUrl}/order?customer=bob&${customer}'`,
    "# an email by RPC",
    `${post} '${storefrontUrl}/shipped?${customer}'`,
    "# the price service fails: within a few calls the circuit breaker opens",
    `${post} ${pricesUrl}/down`,
    `for n in 1 2 3 4 5 6; do curl -s "${storefrontUrl}/price?sku=new-$n"; done`,
    `curl -s ${storefrontUrl}/prices-health`,
    `${post} ${pricesUrl}/up`,
    "# the source: examples/storefront/index.ts",
    "",
  ];
}
