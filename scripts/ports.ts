import { createServer } from "node:net";

/** Whether something else listens on a loopback port. */
export async function isTaken(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(true));
    probe.listen({ port, host: "127.0.0.1" }, () => probe.close(() => resolve(false)));
  });
}
