import { rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join, relative } from "node:path";

/** What an outage is of: it ends, and begins again. */
export type Breakable = { goDown(): Promise<void>; comeBack(): Promise<void> };

/**
 * Where a local run can be asked to let its mailbox die. A socket's path must be short, so it is
 * told from here.
 */
export function outageSocket(stateDir: string): string {
  const path = join(stateDir, "mailbox.sock");
  const fromHere = relative(process.cwd(), path);
  return fromHere.length < path.length ? fromHere : path;
}

/**
 * Lets the mailbox of a local run die for as long as somebody is connected to a socket, so that it
 * comes back however they end. Says `down`, and when they have ended their side, `up`. This is no
 * part of the Workers.
 */
export function serveOutages(path: string, mailbox: Breakable): Server {
  let connected = 0;
  // One after the other: whoever comes while it is on its way back waits for that.
  let turn = Promise.resolve();
  const inTurn = (step: () => Promise<void>): Promise<void> => {
    turn = turn.then(step);
    return turn;
  };
  rmSync(path, { force: true });
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    connected += 1;
    let isOver = false;
    const over = (): void => {
      if (isOver) return;
      isOver = true;
      connected -= 1;
      void inTurn(async () => {
        if (connected === 0) await mailbox.comeBack();
        socket.end("up\n");
      });
    };
    socket.resume().on("end", over).on("error", over).on("close", over);
    void inTurn(async () => {
      if (connected > 0) await mailbox.goDown();
      if (socket.writable) socket.write("down\n");
    });
  });
  return server.listen(path);
}
