/** The dependencies that have a breaker, by the names of their objects. What guards each stands beside it. */
export const dependencies = ["database", "email:smtp", "email:cloudflare", "email:resend", "cache", "alerts:webhook"] as const;

export type Dependency = (typeof dependencies)[number];

export function isDependency(name: string): name is Dependency {
  return (dependencies as readonly string[]).includes(name);
}
