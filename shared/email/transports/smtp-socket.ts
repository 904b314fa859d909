import net, { type Socket } from "node:net";
import tls from "node:tls";
import type { SmtpSettings } from "./rules/smtp.ts";

type Address = Pick<SmtpSettings, "host" | "port" | "security">;

/** What nodemailer reports of a failure: the command that failed, and why. */
type SmtpFailure = Error & { command: string; code?: string };

/**
 * A connection that the runtime opens by the server's name, so that it resolves the name as for
 * each other connection, and checks the certificate against the name.
 *
 * @param opening is called with the socket at once, so that it can be closed meanwhile
 * @throws SmtpFailure
 */
export async function openSocket(
  address: Address,
  timeoutMs: number,
  opening: (socket: Socket) => void,
): Promise<Socket> {
  if (address.security !== "tls")
    return await opened(plain(address), "connect", timeoutMs, opening);
  const { host, port } = address;
  const servername = net.isIP(host) === 0 ? { servername: host } : {};
  const socket = tls.connect({ host, port, ...servername });
  try {
    return await opened(socket, "secureConnect", timeoutMs, opening);
  } catch (error) {
    // The runtime gives the same error for a server that is not there and for one without trust.
    if (await isThere(address, timeoutMs)) throw tlsFailure("TLS", host, error);
    throw error;
  }
}

const plain = ({ host, port }: Address): Socket => net.connect({ host, port });

async function isThere(address: Address, timeoutMs: number): Promise<boolean> {
  try {
    const socket = await opened(plain(address), "connect", timeoutMs, () => undefined);
    socket.destroy();
    return true;
  } catch {
    return false;
  }
}

function opened(
  socket: Socket,
  event: "connect" | "secureConnect",
  timeoutMs: number,
  opening: (socket: Socket) => void,
): Promise<Socket> {
  // Until nodemailer listens an error would end the Worker's invocation.
  socket.on("error", () => undefined);
  opening(socket);
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      clearTimeout(late);
      reject(Object.assign(error, { command: "CONN" }));
      socket.destroy();
    };
    const late = setTimeout(() => fail(new Error("Connection timeout")), timeoutMs);
    socket.once("error", fail);
    socket.once("close", () => fail(new Error("Connection closed unexpectedly")));
    socket.once(event, () => {
      clearTimeout(late);
      socket.removeListener("error", fail);
      resolve(socket);
    });
  });
}

/**
 * A handshake that failed. Cloudflare's runtime gives no reason: almost always it does not trust
 * the certificate.
 */
export function tlsFailure(command: "TLS" | "STARTTLS", host: string, error: unknown): SmtpFailure {
  const reason = error instanceof Error ? error.message : String(error);
  const isOpaque = /internal error|proxy request failed/.test(reason);
  return Object.assign(
    new Error(
      `TLS handshake failed: ${
        isOpaque ? `the certificate is not trusted, or not valid for ${host}` : reason
      }`,
      { cause: error },
    ),
    { command },
  );
}
