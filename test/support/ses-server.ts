import { createHash, createHmac } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import PostalMime, { type Email } from "postal-mime";
import { httpServer } from "./http-server.ts";

/**
 * A stand-in for API v2 of Amazon SES, which checks signatures and keeps what it took
 * (https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html).
 */

type SesRequest = {
  FromEmailAddress: string;
  Destination: { ToAddresses: string[] };
  Content: { Raw: { Data: string } };
  EmailTags: { Name: string; Value: string }[];
  ConfigurationSetName?: string;
};
type Taken = { request: SesRequest; email: Email };

/** `type`: of the error, as `x-amzn-ErrorType` has it. */
type SesFault = { status: number; type: string; message: string } | "drop";

export class SesServer {
  readonly taken: Taken[] = [];
  fault: SesFault | null = null;
  readonly #secret: string;
  readonly #server = httpServer((request, response) => void this.#play(request, response));

  constructor(secretAccessKey: string) {
    this.#secret = secretAccessKey;
  }

  async listen(): Promise<number> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
  }

  async #play(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    const fault = isSigned(request, body, this.#secret) ? this.fault : wrongSignature;
    if (fault === "drop") {
      request.socket.destroy();
      return;
    }
    if (fault !== null) {
      const headers = { "Content-Type": "application/json", "x-amzn-ErrorType": fault.type };
      response.writeHead(fault.status, headers).end(JSON.stringify({ message: fault.message }));
      return;
    }
    const parsed = JSON.parse(body) as SesRequest;
    const raw = Buffer.from(parsed.Content.Raw.Data, "base64");
    this.taken.push({ request: parsed, email: await PostalMime.parse(raw) });
    response
      .writeHead(200, { "Content-Type": "application/json" })
      .end(JSON.stringify({ MessageId: `ses-${this.taken.length}` }));
  }
}

const wrongSignature: SesFault = {
  status: 403,
  type: "InvalidSignatureException",
  message: "The request signature we calculated does not match the signature you provided.",
};

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
const hmac = (key: string | Buffer, text: string): Buffer =>
  createHmac("sha256", key).update(text).digest();

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html */
function isSigned(request: IncomingMessage, body: string, secret: string): boolean {
  const [, given = ""] = /^AWS4-HMAC-SHA256 (.*)$/.exec(request.headers.authorization ?? "") ?? [];
  const scopePattern = /^Credential=\w+\/(\d+)\/([\w-]+)\/(\w+)\/aws4_request$/;
  const [credential = "", headers = "", last = ""] = given.split(", ");
  const parts = scopePattern.exec(credential);
  if (parts === null) return false;
  const [, day = "", region = "", service = ""] = parts;
  const signedHeaders = headers.replace("SignedHeaders=", "");
  const canonical = [
    request.method,
    request.url,
    "",
    ...signedHeaders.split(";").map((name) => `${name}:${String(request.headers[name]).trim()}`),
    "",
    signedHeaders,
    sha256(body),
  ].join("\n");
  const scope = `${day}/${region}/${service}/aws4_request`;
  const text = ["AWS4-HMAC-SHA256", request.headers["x-amz-date"], scope, sha256(canonical)].join(
    "\n",
  );
  const key = [day, region, service, "aws4_request"].reduce<string | Buffer>(hmac, `AWS4${secret}`);
  return hmac(key, text).toString("hex") === last.replace("Signature=", "");
}
