import { rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join, relative } from "node:path";

/** Something that can be stopped and started again. */
export type Breakable = { goDown(): Promise<void>; comeBack(): Promise<void> };

/**
 * The socket through which the mailbox of a local run is stopped. The path of a socket must be
 * short, so it is relative to the working directory if that is shorter.
 */
export function outageSocket(stateDir: string): string {
  const path = join(stateDir, "mailbox.sock");
  const fromHere = relative(process.cwd(), path);
  return fromHere.length < path.length ? fromHere : path;
}

/**
 * Stops the mailbox of a local run while a client is connected to a socket, so that it comes back
 * even if the client is killed. Sends `down`, and `up` after the client has ended its side. Not
 * part of the Workers.
 */
export function serveOutages(path: string, mailbox: Breakable): Server {
  let connected = 0;
  // Steps run one after the other: a new outage waits until the mailbox is back.
  let last = Promise.resolve();
  const inOrder = (step: () => Promise<void>): Promise<void> => {
    last = last.then(step);
    return last;
  };
  rmSync(path, { force: true });
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    connected += 1;
    let isOver = false;
    const over = (): void => {
      if (isOver) return;
      isOver = true;
      connected -= 1;
      void inOrder(async () => {
        if (connected === 0) await mailbox.comeBack();
        socket.end("up\n");
      });
    };
    socket.resume().on("end", over).on("error", over).on("close", over);
    void inOrder(async () => {
      if (connected > 0) await mailbox.goDown();
      if (socket.writable) socket.write("down\n");
    });
  });
  return server.listen(path);
}
