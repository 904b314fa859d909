import { listAlerts } from "../../shared/contract/alerts.ts";
import { cacheMetrics } from "../../shared/contract/cache.ts";
import { listCircuitBreakers } from "../../shared/contract/circuit-breakers.ts";
import { listDeadLetters } from "../../shared/contract/dead-letters.ts";
import { listScheduledTasks, scheduledTaskHistory } from "../../shared/contract/scheduled-tasks.ts";
import { scrapeMetrics } from "../../shared/contract/telemetry.ts";
import type { Check } from "./target.ts";

/** Reads of an operator. The read-only token is enough. */
export const operatorChecks: Check[] = [
  {
    name: "every circuit breaker answers",
    async run(target) {
      const { items } = (await target.call(listCircuitBreakers)).body;
      const unreachable = items.filter(({ state }) => state === "UNREACHABLE");
      if (unreachable.length > 0)
        throw new Error(`${unreachable.map(({ name }) => name).join(", ")} does not`);
      const open = items.filter(({ state }) => state !== "CLOSED");
      return open.length === 0
        ? `${items.length} closed`
        : open.map(({ name, state }) => `${name} is ${state}`).join(", ");
    },
  },
  {
    name: "the counters of the cache answer",
    run: async (target) => `hit rate ${(await target.call(cacheMetrics)).body.hitRate}`,
  },
  {
    name: "the dead letters can be listed",
    run: async (target) =>
      `${(await target.call(listDeadLetters)).body.items.length} on the first page`,
  },
  {
    name: "luna-cron answers, and lists its tasks",
    async run(target) {
      const { items } = (await target.call(listScheduledTasks)).body;
      if (items.length === 0) throw new Error("it has none");
      return `${items.length} tasks`;
    },
  },
  {
    name: "the history of the tasks answers",
    async run(target) {
      const { total, failed } = (await target.call(scheduledTaskHistory, { query: { limit: "1" } }))
        .body;
      return `${failed} of ${total} executions failed`;
    },
  },
  {
    name: "/metrics has the metrics of every part",
    async run(target) {
      const { body } = await target.call(scrapeMetrics);
      const parts = [...body.matchAll(/^luna_scrape_ok\{part="(\w+)"\} ([01])$/gm)];
      const silent = parts.flatMap(([, part = "", answered]) => (answered === "1" ? [] : [part]));
      if (parts.length === 0 || silent.length > 0)
        throw new Error(`no answer from ${silent.join(", ") || "any"}`);
      const series = body.split("\n").filter((line) => /^\w/.test(line)).length;
      return `${parts.length} parts, ${series} series`;
    },
  },
  {
    name: "the alerts can be listed",
    async run(target) {
      const { firing } = (await target.call(listAlerts)).body;
      return firing.length === 0 ? "none" : firing.map(({ key }) => key).join(", ");
    },
  },
];
