import type { D1Migration } from "cloudflare:test";
import type { ApiEnv, ConsumerEnv } from "../../workers/env.ts";

declare global {
  namespace Cloudflare {
    /** The bindings of all three Workers: each test uses those of its own. */
    interface Env extends ApiEnv, ConsumerEnv {}
    interface GlobalProps {
      mainModule: typeof import("../../workers/api/index.ts");
    }
  }
}

declare module "vitest" {
  interface ProvidedContext {
    migrations: D1Migration[];
    /** Of the property tests. */
    seed: number;
    runs: number;
    /** How many emails of others there are, each time, where rows read are compared. */
    stored: number[];
    /** Where to order scripted mail servers, in the consumer's project. */
    scriptedServers: string;
    /** The configurations of the three bundled Workers, in the project `stack`. */
    stackConfigs: string[];
    /** The browser's executable, in the project `browser`. */
    chromium: string;
  }
}
