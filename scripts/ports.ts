import { connect, createServer } from "node:net";

/** Whether something else listens on a loopback port. */
export async function isTaken(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(true));
    probe.listen({ port, host: "127.0.0.1" }, () => probe.close(() => resolve(false)));
  });
}

/**
 * Whether a connection to a loopback port is taken: looks without being in the way of a process
 * that is about to listen there.
 */
export async function isListening(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const probe = connect({ port, host: "127.0.0.1" });
    probe.once("error", () => resolve(false));
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
  });
}
