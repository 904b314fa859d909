import type { ApiEnv } from "../../shared/env.ts";
import { dispatch } from "./dispatch.ts";

export default {
  fetch: dispatch,
} satisfies ExportedHandler<ApiEnv>;
