import { defineConfig } from "tsdown";

/**
 * What `npm pack` puts into the tarball: the four entries of `exports` in package.json, as ESM with
 * declarations. Dependencies of package.json stay imports, and so does the Workers runtime. The
 * client checks cron expressions as the API does, by croner.
 */
export default defineConfig({
  entry: {
    "circuit-breaker": "shared/lib/circuit-breaker/index.ts",
    cache: "shared/lib/cache/index.ts",
    client: "shared/contract/client/index.ts",
    rpc: "shared/contract/client/rpc.ts",
  },
  outDir: "dist/lib",
  platform: "neutral",
  target: "es2024",
  dts: true,
  deps: { neverBundle: [/^(cloudflare|node):/], onlyBundle: ["croner"] },
  // Nothing in these modules acts when it is imported: what an entry does not use must not come
  // along, such as the renderer of templates with the names of templates.
  treeshake: { moduleSideEffects: false },
});
