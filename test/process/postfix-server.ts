import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer, type AddressInfo, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../support/eventually.ts";
import { freePort } from "./luna.ts";

/**
 * A real Postfix with its own configuration, queue and mailboxes in a temporary folder, on
 * 127.0.0.1. Nothing is installed: it uses the programs of the machine.
 */

const DAEMONS = ["/usr/lib/postfix/sbin", "/usr/libexec/postfix"];
const POSTFIX = "/usr/sbin/postfix";
/** @returns what is missing to run Postfix; null if nothing is */
export function missingForPostfix(): string | null {
  if (process.getuid?.() !== 0) return "only root starts Postfix";
  if (!existsSync(POSTFIX) || !DAEMONS.some(existsSync)) return "Postfix is not installed";
  return existsSync("/usr/bin/openssl") ? null : "openssl is not installed";
}

export const USER = "luna";
export const PASSWORD = "a-secret-of-the-test";
export const MAX_MESSAGE_BYTES = 200_000;
const DOMAIN = "mail.example";

/** What the policy server answers for a recipient, at a step (postfix.org/SMTPD_POLICY_README). */
type Policy = (step: string, recipient: string) => string;

export class Postfix {
  readonly folder = mkdtempSync(join(tmpdir(), "luna-postfix-"));
  readonly #config = join(this.folder, "config");
  policy: Policy = () => "DUNNO";
  port = 0;
  readonly #servers: Server[] = [];
  #process: ChildProcess | null = null;

  /** The certificate of the authority that signed that of the server. */
  get authority(): string {
    return readFileSync(join(this.folder, "ca.pem"), "utf8");
  }

  async start(): Promise<void> {
    if (this.port === 0) await this.#configure();
    this.#process = spawn(POSTFIX, ["-c", this.#config, "start-fg"], { stdio: "ignore" });
    await eventually(() => {
      if (this.#pids().length < 2) throw new Error("Postfix has not started");
    });
  }

  /** How many emails the mailbox of an address has, once the queue is empty. */
  async mailbox(name: string): Promise<string[]> {
    await eventually(() => {
      const waiting = ["incoming", "active"].flatMap((queue) =>
        readdirSync(join(this.folder, "queue", queue))
          .map((file) => join(this.folder, "queue", queue, file))
          .filter(isWhole),
      );
      if (waiting.length > 0) throw new Error("Postfix is still at it");
    });
    const folder = join(this.folder, "mail", name, "new");
    return existsSync(folder)
      ? readdirSync(folder).map((file) => readFileSync(join(folder, file), "latin1"))
      : [];
  }

  /** Ends each of its processes with `kill -9`. */
  async kill(): Promise<void> {
    const ended = this.#process === null ? null : once(this.#process, "exit");
    for (const pid of this.#pids()) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended by itself.
      }
    }
    await ended;
    this.#process = null;
  }

  async close(): Promise<void> {
    if (this.#process !== null) await this.kill();
    for (const server of this.#servers) server.close();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** The master and its children. */
  #pids(): number[] {
    const file = join(this.folder, "queue", "pid", "master.pid");
    if (!existsSync(file)) return [];
    const master = Number(readFileSync(file, "utf8"));
    const children = readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .filter((pid) => parentOf(pid) === master)
      .map(Number);
    return existsSync(`/proc/${master}`) ? [master, ...children] : [];
  }

  async #configure(): Promise<void> {
    this.port = await freePort();
    const policyPort = await this.#listen(
      servePolicies((step, recipient) => this.policy(step, recipient)),
    );
    const authPort = await this.#listen(serveLogins());
    chmodSync(this.folder, 0o755);
    const [uid, gid] = ["-u", "-g"].map((flag) =>
      Number(execFileSync("id", [flag, "postfix"], { encoding: "utf8" })),
    ) as [number, number];
    for (const name of ["config", "queue", "data", "mail"]) mkdirSync(join(this.folder, name));
    for (const name of ["data", "mail"]) chownSync(join(this.folder, name), uid, gid);
    this.#makeCertificate();
    writeFileSync(join(this.#config, "main.cf"), this.#mainCf({ policyPort, authPort, uid, gid }));
    writeFileSync(join(this.#config, "master.cf"), masterCf(this.port));
  }

  async #listen(server: Server): Promise<number> {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    this.#servers.push(server);
    return (server.address() as AddressInfo).port;
  }

  #mainCf({ policyPort, authPort, uid, gid }: Record<string, number>): string {
    const { folder } = this;
    const policy = `check_policy_service inet:127.0.0.1:${policyPort}`;
    return `compatibility_level = 3.6
queue_directory = ${folder}/queue
data_directory = ${folder}/data
command_directory = /usr/sbin
daemon_directory = ${DAEMONS.find(existsSync)}
maillog_file = ${folder}/log
maillog_file_prefixes = ${folder}
myhostname = ${DOMAIN}
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks =
alias_maps =
alias_database =
message_size_limit = ${MAX_MESSAGE_BYTES}
smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_tls_cert_file = ${folder}/server.pem
smtpd_tls_key_file = ${folder}/server.key
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:127.0.0.1:${authPort}
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = reject_unlisted_recipient, ${policy},
  permit_sasl_authenticated, reject
smtpd_end_of_data_restrictions = ${policy}
virtual_mailbox_domains = ${DOMAIN}
virtual_mailbox_base = ${folder}/mail
virtual_mailbox_maps = inline:{{ada@${DOMAIN} = ada/} {bob@${DOMAIN} = bob/}}
virtual_minimum_uid = 1
virtual_uid_maps = static:${uid}
virtual_gid_maps = static:${gid}
`;
  }

  #makeCertificate(): void {
    const openssl = (...args: string[]): void =>
      void execFileSync("openssl", args, { cwd: this.folder, stdio: "ignore" });
    const key = ["-newkey", "rsa:2048", "-nodes", "-days", "2"];
    openssl("req", "-x509", ...key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Test CA");
    openssl("req", ...key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost");
    writeFileSync(join(this.folder, "names"), "subjectAltName = DNS:localhost");
    const signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names"];
    openssl("x509", "-req", "-in", "server.csr", "-days", "2", ...signed, "-out", "server.pem");
  }
}

/** A file whose email arrived whole may be executed. The part of another stays for a day. */
function isWhole(file: string): boolean {
  const mode = statSync(file, { throwIfNoEntry: false })?.mode ?? 0;
  return (mode & 0o100) !== 0;
}

function parentOf(pid: string): number | null {
  try {
    const [, parent] = /\) \S (\d+) /.exec(readFileSync(`/proc/${pid}/stat`, "utf8")) ?? [];
    return Number(parent);
  } catch {
    return null;
  }
}

const masterCf = (port: number): string => `127.0.0.1:${port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`;

/** Answers what comes up to each separator. */
const serve = (separator: string, answer: (request: string) => string, greeting = ""): Server =>
  createServer((socket) => {
    let rest = "";
    socket.on("error", () => undefined);
    socket.on("data", (bytes) => {
      const requests = (rest + bytes.toString("latin1")).split(separator);
      rest = requests.pop() ?? "";
      for (const request of requests) socket.write(answer(request));
    });
    if (greeting !== "") socket.write(greeting);
  });

/** A request is lines of `name=value` and an empty line. */
const servePolicies = (policy: Policy): Server =>
  serve("\n\n", (request) => {
    const fields = new Map(
      request.split("\n").map((line) => {
        const at = line.indexOf("=");
        return [line.slice(0, at), line.slice(at + 1)] as const;
      }),
    );
    const step = fields.get("protocol_state") ?? "";
    return `action=${policy(step, fields.get("recipient") ?? "")}\n\n`;
  });

/** Who may log in (doc.dovecot.org/2.3/developer_manual/design/auth_protocol). */
const serveLogins = (): Server =>
  serve(
    "\n",
    (line) => {
      const [command, id] = line.split("\t");
      if (command !== "AUTH") return "";
      const response = /resp=(\S*)/.exec(line)?.[1] ?? "";
      const [, user, password] = Buffer.from(response, "base64").toString().split("\0");
      const isRight = user === USER && password === PASSWORD;
      return `${isRight ? "OK" : "FAIL"}\t${id}\tuser=${user}\n`;
    },
    "VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t0\nDONE\n",
  );
