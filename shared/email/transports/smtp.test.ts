import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { composedBytes } from "../../../test/support/composed.ts";
import { outgoingEmail as email } from "../../../test/support/outgoing-email.ts";
import type { HandOverOf } from "../rules/tag.ts";
import { countsAsSmtpFailure } from "./rules/smtp-outcome.ts";
import { smtpTransport } from "./smtp.ts";
import type { OutgoingEmail } from "./transport.ts";

let server: Server;
const sockets = new Set<Socket>();
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  await new Promise((resolve) => server.close(resolve));
});

/**
 * What a server answers to each line, or does to the connection; unlisted lines get the answer of a
 * healthy server.
 */
type Script = Partial<
  Record<
    "banner" | "EHLO" | "HELO" | "MAIL" | "RCPT" | "DATA" | "body" | "RSET" | "QUIT",
    string | ((socket: Socket, line: string) => void)
  >
>;

const healthy: Required<Script> = {
  banner: "220 ready",
  EHLO: "250-sink\r\n250-PIPELINING\r\n250 SIZE 1000000",
  HELO: "250 sink",
  MAIL: "250 2.1.0 ok",
  RCPT: "250 2.1.5 ok",
  DATA: "354 go on",
  body: "250 2.0.0 queued",
  RSET: "250 2.0.0 ok",
  QUIT: "221 bye",
};

/** A server of raw bytes, for what no real server library can be scripted to do. */
async function listen(script: Script): Promise<number> {
  const play = (socket: Socket, step: keyof Script, line = ""): void => {
    const reply = script[step] ?? healthy[step];
    if (typeof reply === "string") socket.write(`${reply}\r\n`);
    else reply(socket, line);
  };
  server = createServer((socket) => {
    sockets.add(socket);
    let inBody = false;
    let rest = "";
    socket.on("error", () => undefined);
    socket.on("data", (bytes) => {
      const lines = (rest + bytes.toString("latin1")).split("\r\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (inBody && line !== ".") continue;
        const step = inBody
          ? "body"
          : (/^(EHLO|HELO|MAIL|RCPT|DATA|RSET|QUIT)/.exec(line)?.[1] as keyof Script | undefined);
        inBody = step === "DATA" && String(script.DATA ?? healthy.DATA).startsWith("354");
        if (step === undefined) socket.write("502 5.5.1 unknown command\r\n");
        else play(socket, step, line);
      }
    });
    play(socket, "banner");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

const drop = (socket: Socket): void => void socket.destroy();
const close = (socket: Socket): void => void socket.end();

let connections = 0;
/** A banner that counts the connections. */
const count = (socket: Socket): void => {
  connections += 1;
  socket.write("220 ready\r\n");
};
const local = (port: number) =>
  smtpTransport({ host: "127.0.0.1", port, security: "none", credentials: null, ehloName: null });

async function outcomeOf(script: Script) {
  const port = await listen(script);
  return await local(port).send(email);
}

it("a server is greeted with the configured name, since large ones refuse an address", async () => {
  const greetings: string[] = [];
  const EHLO = (socket: Socket, line: string): void => {
    greetings.push(line);
    socket.write("250 sink\r\n");
  };
  const port = await listen({ EHLO });
  const settings = { host: "127.0.0.1", port, security: "none", credentials: null } as const;
  const transport = smtpTransport({ ...settings, ehloName: "api.acme.example" });
  expect((await transport.send(email)).kind).toBe("accepted");
  expect(greetings).toEqual(["EHLO api.acme.example"]);
  transport.close?.();
});

it.each([
  ["bounce+token@bounces.example.com", "bounce+token@bounces.example.com"],
  [null, "hello@luna.example"],
])("a server reports bounces to the Return-Path %s: MAIL FROM is %s", async (path, from) => {
  const senders: string[] = [];
  const MAIL = (socket: Socket, line: string): void => {
    senders.push(line);
    socket.write("250 ok\r\n");
  };
  const port = await listen({ MAIL });
  const settings = { host: "127.0.0.1", port, security: "none", credentials: null } as const;
  const asked: unknown[] = [];
  const returnPath = ({ id, generation, part }: HandOverOf): string | null => {
    asked.push({ id, generation, part });
    return path;
  };
  const transport = smtpTransport({ ...settings, ehloName: null, returnPath });
  expect((await transport.send(email)).kind).toBe("accepted");
  expect(senders).toEqual([expect.stringContaining(`<${from}>`)]);
  expect(asked).toEqual([{ id: email.id, generation: email.generation, part: email.part }]);
  transport.close?.();
});

describe("an email to several recipients", () => {
  const [ada, bob, eve] = ["ada", "bob", "eve"].map((name, place) => ({
    n: place + 1,
    kind: name === "eve" ? ("bcc" as const) : ("to" as const),
    name: name === "bob" ? "Bob, Jr." : "",
    address: `${name}@example.com`,
    state: null,
    detail: null,
  }));
  const several: OutgoingEmail = {
    ...email,
    recipients: [ada, bob, eve].flatMap((one) => one ?? []),
  };
  const refuses =
    (line: string, ...names: string[]) =>
    (socket: Socket, command: string): void => {
      const isRefused = names.some((name) => command.includes(`<${name}@`));
      socket.write(isRefused ? `${line}\r\n` : "250 2.1.5 ok\r\n");
    };
  const send = async (script: Script, sent = several) =>
    await local(await listen(script)).send(sent);

  it("has an outcome for each that the server refuses, beside the one of the others", async () => {
    const outcome = await send({ RCPT: refuses("550 5.1.1 no such user", "bob") });
    expect(outcome).toMatchObject({
      kind: "accepted",
      except: [{ n: 2, outcome: { kind: "refused_permanent", detail: { enhancedCode: "5.1.1" } } }],
    });
    expect(
      await send({ RCPT: refuses("450 4.2.0 later", "eve"), body: "554 5.7.1 spam" }),
    ).toMatchObject({ kind: "refused_permanent", except: [{ n: 3 }] });
    expect(await send({ RCPT: refuses("550 5.1.1 no", "ada"), body: drop })).toMatchObject({
      kind: "unknown",
      except: [{ n: 1, outcome: { kind: "refused_permanent" } }],
    });
    expect(await send({ RCPT: "550 5.1.1 no such user" })).toMatchObject({
      kind: "refused_permanent",
      except: [{ n: 1 }, { n: 2 }, { n: 3 }],
    });
  });

  it("has no outcome of the email before on the same connection", async () => {
    let asked = 0;
    const RCPT = (socket: Socket): void => {
      asked += 1;
      socket.write(asked === 2 ? "550 5.1.1 no such user\r\n" : "250 2.1.5 ok\r\n");
    };
    const transport = local(await listen({ RCPT }));
    expect(await transport.send(several)).toMatchObject({ except: [{ n: 2 }] });
    expect(await transport.send(several)).not.toHaveProperty("except");
    transport.close?.();
  });

  it("goes only to those who do not have it, with the same headers, and Bcc in none", async () => {
    const lines: string[] = [];
    const RCPT = (socket: Socket, line: string): void => {
      lines.push(line);
      socket.write("250 2.1.5 ok\r\n");
    };
    const recipients = several.recipients.map((one) =>
      one.n === 1 ? { ...one, state: "accepted" as const } : one,
    );
    await send({ RCPT }, { ...several, recipients });
    expect(lines).toEqual(["RCPT TO:<bob@example.com>", "RCPT TO:<eve@example.com>"]);
    const [first, second] = await Promise.all(
      [several, { ...several, recipients }].map(composedBytes),
    );
    const text = Buffer.from(second ?? []).toString();
    expect(text).toBe(Buffer.from(first ?? []).toString());
    expect(text).toContain('To: ada@example.com, "Bob, Jr." <bob@example.com>');
    expect(text).not.toMatch(/eve@|bcc/i);
  });
});

describe("what an SMTP server does, and what becomes of the email", () => {
  it.each<[string, Script, string, object]>([
    ["takes it", {}, "accepted", { phase: "BODY", code: 250, text: "250 2.0.0 queued" }],
    ["drops the connection at once", { banner: drop }, "server_failed", { phase: "CONN" }],
    [
      "has a banner of 554",
      { banner: "554 go away" },
      "server_failed",
      { phase: "CONN", code: 554 },
    ],
    ["closes after EHLO", { EHLO: close }, "server_failed", {}],
    [
      "refuses the sender for now",
      { MAIL: "451 4.3.0 later" },
      "refused_transient",
      { phase: "MAIL FROM", code: 451, enhancedCode: "4.3.0" },
    ],
    [
      "refuses the sender for good",
      { MAIL: "550 5.7.1 blocked" },
      "refused_permanent",
      { phase: "MAIL FROM", code: 550 },
    ],
    [
      "shuts down at MAIL",
      { MAIL: "421 4.7.0 too many", RCPT: drop },
      "server_failed",
      { code: 421, enhancedCode: "4.7.0" },
    ],
    [
      "refuses the sender for good and then shuts down",
      { MAIL: "550 5.7.1 blocked", RCPT: "421 bye" },
      "refused_permanent",
      { code: 550 },
    ],
    [
      "refuses the recipient for now",
      { RCPT: "450 4.2.0 greylisted" },
      "needs_time",
      { phase: "RCPT TO", code: 450 },
    ],
    [
      "refuses the recipient for good",
      { RCPT: "550 5.1.1 unknown" },
      "refused_permanent",
      { phase: "RCPT TO", code: 550 },
    ],
    ["drops at RCPT", { RCPT: drop }, "server_failed", {}],
    ["refuses DATA", { DATA: "452 4.3.1 full" }, "server_failed", { phase: "DATA", code: 452 }],
    [
      "drops after 354, before the body",
      { DATA: (socket) => socket.write("354 go on\r\n", () => socket.destroy()) },
      "unknown",
      { phase: "BODY" },
    ],
    ["takes the body and drops", { body: drop }, "unknown", { phase: "BODY" }],
    ["takes the body and closes politely", { body: close }, "unknown", { phase: "BODY" }],
    [
      "sends half a 250 and closes",
      { body: (socket) => socket.end("250 2.0") },
      "unknown",
      { phase: "BODY" },
    ],
    [
      "refuses the body for now",
      { body: "452 4.3.1 full" },
      "server_failed",
      { phase: "BODY", code: 452 },
    ],
    [
      "refuses the body for good",
      { body: "554 5.7.1 spam" },
      "refused_permanent",
      { phase: "BODY", code: 554 },
    ],
    [
      "shuts down after the body",
      { body: "421 4.3.2 restarting" },
      "server_failed",
      { phase: "BODY", code: 421 },
    ],
    ["answers the body with garbage", { body: "hello?" }, "unknown", { phase: "BODY" }],
    [
      "announces a SIZE that is too small",
      { EHLO: "250-sink\r\n250 SIZE 10" },
      "refused_permanent",
      { phase: "MAIL FROM" },
    ],
    ["never answers QUIT", { QUIT: () => undefined }, "accepted", { phase: "BODY" }],
  ])("the server %s", async (_, script, kind, detail) => {
    const outcome = await outcomeOf(script);
    expect(outcome.kind).toBe(kind);
    expect(outcome.detail).toMatchObject({ transport: "smtp", ...detail });
  });

  it("an email that cannot be composed never reaches the server, and is no failure of it", async () => {
    const port = await listen({});
    const outcome = await smtpTransport({
      host: "127.0.0.1",
      port,
      security: "none",
      credentials: null,
      ehloName: null,
    }).send({
      ...email,
      text: 5 as unknown as string,
    });
    expect(outcome).toMatchObject({
      kind: "refused_transient",
      detail: { phase: "API", text: "the email cannot be composed" },
    });
    expect(countsAsSmtpFailure(outcome)).toBe(false);
  });

  it("nothing listens: the server failed", async () => {
    const port = await listen({});
    await new Promise((resolve) => server.close(resolve));
    const outcome = await smtpTransport({
      host: "127.0.0.1",
      port,
      security: "none",
      credentials: null,
      ehloName: null,
    }).send(email);
    expect(outcome.kind).toBe("server_failed");
  });

  it("offers no STARTTLS: the server failed, and neither email nor password is sent in clear", async () => {
    const port = await listen({ MAIL: drop });
    const outcome = await smtpTransport({
      host: "127.0.0.1",
      port,
      security: "starttls",
      credentials: { user: "u", pass: "p" },
      ehloName: null,
    }).send(email);
    expect(outcome.kind).toBe("server_failed");
    expect(outcome.detail).toMatchObject({ phase: "STARTTLS", code: 502 });
  });
});

describe("the connections of one batch", () => {
  it("take one email after another, one connection each at a time", async () => {
    connections = 0;
    const transport = local(await listen({ banner: count }));
    for (let n = 0; n < 10; n += 1) expect((await transport.send(email)).kind).toBe("accepted");
    expect(connections).toBe(1);
    const five = Array.from({ length: 5 }, () => transport.send(email));
    for (const outcome of await Promise.all(five)) expect(outcome.kind).toBe("accepted");
    expect(connections).toBe(5);
    transport.close?.();
  });

  it.each<["RCPT" | "body", string, string]>([
    ["RCPT", "450 4.2.0 later", "needs_time"],
    ["RCPT", "550 5.1.1 no such user", "refused_permanent"],
    ["body", "554 5.7.1 spam", "refused_permanent"],
    ["body", "451 4.7.1 later", "needs_time"],
  ])("are reset and used again after a refusal of %s: %s", async (step, refusal, kind) => {
    connections = 0;
    const steps: string[] = [];
    let emails = 0;
    const transport = local(
      await listen({
        banner: count,
        MAIL: (socket) => {
          emails += 1;
          steps.push("MAIL");
          socket.write("250 ok\r\n");
        },
        [step]: (socket: Socket) => socket.write(`${emails === 2 ? refusal : "250 ok"}\r\n`),
        RSET: (socket) => {
          steps.push("RSET");
          socket.write("250 ok\r\n");
        },
      }),
    );
    const kinds = [];
    for (let n = 0; n < 3; n += 1) kinds.push((await transport.send(email)).kind);
    expect(kinds).toEqual(["accepted", kind, "accepted"]);
    expect(steps).toEqual(["MAIL", "MAIL", "RSET", "MAIL"]);
    expect(connections).toBe(1);
    transport.close?.();
  });

  it.each<[string, Script["RSET"]]>([
    ["refuses", "502 5.5.1 what?"],
    ["drops the connection at", drop],
    ["ends the session at", "421 4.7.0 bye"],
  ])("are made again when the server %s RSET", async (_, RSET) => {
    connections = 0;
    let emails = 0;
    const RCPT = (socket: Socket): void =>
      void socket.write((emails += 1) === 1 ? "450 4.2.0 later\r\n" : "250 ok\r\n");
    const transport = local(await listen({ banner: count, RCPT, ...(RSET && { RSET }) }));
    const kinds = [];
    for (let n = 0; n < 2; n += 1) kinds.push((await transport.send(email)).kind);
    expect(kinds).toEqual(["needs_time", "accepted"]);
    expect(connections).toBe(2);
    transport.close?.();
  });

  it("end with QUIT also when the server refused the session", async () => {
    const quit = Promise.withResolvers<void>();
    const QUIT = (socket: Socket): void => {
      quit.resolve();
      socket.end("221 bye\r\n");
    };
    const port = await listen({ EHLO: "250-sink\r\n250 AUTH PLAIN", QUIT });
    const credentials = { user: "luna", pass: "wrong" };
    const settings = { host: "localhost", port, security: "none", ehloName: null } as const;
    const outcome = await smtpTransport({ ...settings, credentials }).send(email);
    expect(outcome).toMatchObject({ kind: "server_failed", detail: { phase: "AUTH PLAIN" } });
    await quit.promise;
  });

  it.each<[string, Script["MAIL"]]>([
    ["answers 421", "421 4.7.0 enough on this connection"],
    ["answers 450 to MAIL", "450 4.7.0 too many messages on this connection"],
    ["drops it", drop],
    ["closes it", close],
  ])(
    "are made again when the server %s before the next email has left: nothing was handed over",
    async (_, later) => {
      connections = 0;
      let emails = 0;
      const MAIL = (socket: Socket): void => {
        emails += 1;
        if (emails !== 2) socket.write("250 2.1.0 ok\r\n");
        else if (typeof later === "string") socket.end(`${later}\r\n`);
        else later?.(socket, "");
      };
      const transport = local(await listen({ banner: count, MAIL }));
      expect((await transport.send(email)).kind).toBe("accepted");
      expect(await transport.send(email)).toMatchObject({ kind: "accepted" });
      expect([connections, emails]).toEqual([2, 3]);
      transport.close?.();
    },
  );

  it("are made again when the server closed an idle one meanwhile", async () => {
    connections = 0;
    const transport = local(await listen({ banner: count }));
    expect((await transport.send(email)).kind).toBe("accepted");
    const closed = [...sockets].map((socket) => once(socket, "close"));
    for (const socket of sockets) socket.destroy();
    await Promise.all(closed);
    expect((await transport.send(email)).kind).toBe("accepted");
    expect(connections).toBe(2);
    transport.close?.();
  });

  it("leave the outcome of an email open if one breaks meanwhile: it is not sent again", async () => {
    connections = 0;
    let emails = 0;
    const body = (socket: Socket): void => {
      emails += 1;
      if (emails === 2) socket.destroy();
      else socket.write("250 2.0.0 queued\r\n");
    };
    const transport = local(await listen({ banner: count, body }));
    expect((await transport.send(email)).kind).toBe("accepted");
    expect((await transport.send(email)).kind).toBe("unknown");
    expect([connections, emails]).toEqual([1, 2]);
    transport.close?.();
  });

  it("end with QUIT when the batch does, and an email after that has one of its own", async () => {
    connections = 0;
    let quits = 0;
    const QUIT = (socket: Socket): void => {
      quits += 1;
      socket.end("221 bye\r\n");
    };
    const transport = local(await listen({ banner: count, QUIT }));
    await transport.send(email);
    const [socket] = sockets;
    transport.close?.();
    if (socket !== undefined && !socket.destroyed) await once(socket, "close");
    expect(quits).toBe(1);
    expect((await transport.send(email)).kind).toBe("accepted");
    expect(connections).toBe(2);
    transport.close?.();
  });
});
