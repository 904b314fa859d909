import { createServer, type RequestListener, type Server } from "node:http";

/**
 * An HTTP server that Workers call. It never closes an idle connection: after Node's five seconds
 * it would, just when workerd may use the connection again, and that request would be lost.
 */
export function httpServer(listener: RequestListener): Server {
  return createServer({ keepAliveTimeout: 0 }, listener);
}
