import { breakerClient } from "../../shared/lib/circuit-breaker/guard.ts";
import type { BreakerClient } from "../../shared/lib/circuit-breaker/isolate/client.ts";
import type { ApiEnv } from "../../workers/env.ts";

type Namespace = ApiEnv["CIRCUIT_BREAKER"];

/**
 * A client of a real breaker that shares nothing with any other: each binding has clients of its
 * own, as each isolate has.
 */
export function newIsolate(namespace: Namespace, dependency: string): BreakerClient {
  const binding = { getByName: (name: string) => namespace.getByName(name) } as Namespace;
  return breakerClient({ CIRCUIT_BREAKER: binding }, dependency, {
    timeoutMs: 5_000,
    calleeTimesOut: false,
    countsAsFailure: (error) => error instanceof DependencyDown,
  });
}

export class DependencyDown extends Error {}

export const fail = async (): Promise<never> => {
  throw new DependencyDown("the dependency is down");
};
export const succeed = async (): Promise<string> => "value";

/** A binding whose objects misbehave; `requests` counts what is asked of them. */
export function brokenBreakers(
  how: "throws" | "hangs" | "works",
  real: Namespace,
): { binding: Namespace; requests: () => number } {
  let requests = 0;
  const answer = <Reply>(reply: () => Promise<Reply>): Promise<Reply> => {
    requests += 1;
    switch (how) {
      case "throws":
        return Promise.reject(new Error("Durable Object is overloaded. Too many requests queued."));
      case "hangs":
        return new Promise(() => undefined);
      case "works":
        return reply();
    }
  };
  const getByName = (name: string): unknown => {
    const stub = real.getByName(name);
    return {
      sync: (request: Parameters<typeof stub.sync>[0]) =>
        answer(async () => await stub.sync(request)),
      endProbe: (request: Parameters<typeof stub.endProbe>[0]) =>
        answer(async () => await stub.endProbe(request)),
    };
  };
  return { binding: { getByName } as Namespace, requests: () => requests };
}
