import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { Resend, type CreateEmailOptions } from "resend";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { filesOn } from "../support/code-blocks.ts";
import { eventually } from "../support/eventually.ts";
import { ADMIN_TOKEN } from "../support/http.ts";
import { useStack } from "./support.ts";

/** The SDK from npm, unchanged, with `RESEND_BASE_URL=<luna>/resend`. */

const stack = useStack({}, [], "file");

beforeEach(async () => {
  const { url } = await stack.server.listen();
  vi.stubEnv("RESEND_BASE_URL", new URL("/resend", url).href);
});
afterEach(() => void vi.unstubAllEnvs());

const resend = (key = ADMIN_TOKEN): Resend => new Resend(key);

const from = "Luna <hello@luna.example>";
const hello = (changes: Partial<CreateEmailOptions> = {}): CreateEmailOptions =>
  ({ from, to: "ada@example.com", subject: "Hello", html: "<p>Hi</p>", ...changes }) as never;

/** The data of an answer that must be a success. */
function dataOf<Data>(answer: { data: Data | null; error: unknown }): Data {
  expect(answer.error).toBeNull();
  if (answer.data === null) throw new Error("no data");
  return answer.data;
}

describe("emails.send", () => {
  it("hands over an email with each field that the SDK has", async () => {
    const { id } = dataOf(
      await resend().emails.send({
        from,
        to: ["Ada L. <ada@example.com>", "bob@example.com"],
        cc: "cc@example.com",
        bcc: ["bcc@example.com"],
        replyTo: ["one@example.com", "Two <two@example.com>"],
        subject: "Your receipt",
        html: '<p>Thanks <img src="cid:logo"></p>',
        text: "Thanks",
        headers: { "X-Entity-Ref-ID": "order-1" },
        tags: [{ name: "order", value: "1" }],
        attachments: [
          { filename: "receipt.txt", content: Buffer.from("a receipt") },
          { filename: "logo.png", content: "iVBORw0KGgo=", contentId: "logo" },
          { filename: "invite.ics", content: "QQ==", contentType: "text/calendar; method=REQUEST" },
        ],
      }),
    );
    await eventually(async () =>
      expect(dataOf(await resend().emails.get(id)).last_event).toBe("sent"),
    );
    const email = stack.sink.delivered.find(({ to }) => to.includes("ada@example.com"))?.email;
    expect(email).toMatchObject({
      from: { name: "Luna", address: "hello@luna.example" },
      subject: "Your receipt",
      text: "Thanks\n",
      replyTo: [{ address: "one@example.com" }, { name: "Two", address: "two@example.com" }],
    });
    const files = email?.attachments.map(({ filename, mimeType }) => `${filename}: ${mimeType}`);
    expect(files?.toSorted()).toEqual([
      "invite.ics: text/calendar",
      "logo.png: image/png",
      "receipt.txt: text/plain",
    ]);
    expect(email?.headers.find(({ key }) => key === "x-entity-ref-id")?.value).toBe("order-1");
    expect(dataOf(await resend().emails.get(id))).toMatchObject({
      object: "email",
      id,
      from,
      to: ["Ada L. <ada@example.com>", "bob@example.com"],
      cc: ["cc@example.com"],
      bcc: ["bcc@example.com"],
      reply_to: ["one@example.com", "Two <two@example.com>"],
      subject: "Your receipt",
      html: '<p>Thanks <img src="cid:logo"></p>',
      text: "Thanks",
      tags: [{ name: "order", value: "1" }],
      scheduled_at: null,
      message_id: `<${id}@luna.example>`,
    });
  });

  it("sends a template with its variables", async () => {
    const { id } = dataOf(
      await resend().emails.send({
        to: "ada@example.com",
        template: { id: "welcome", variables: { userId: "ada", tier: "pro" } },
      }),
    );
    expect(dataOf(await resend().emails.get(id)).subject).toContain("Welcome");
  });

  it("under an idempotency key is one email, and another body under it is refused", async () => {
    const options = { idempotencyKey: "order-1" };
    const first = await resend().emails.send(hello(), options);
    const again = await resend().emails.send(hello(), options);
    expect(dataOf(again).id).toBe(dataOf(first).id);
    const other = await resend().emails.send(hello({ subject: "Other" }), options);
    expect(other.error).toMatchObject({ name: "invalid_idempotent_request", statusCode: 409 });
  });
});

describe("a scheduled email", () => {
  it("is moved by emails.update, and called off by emails.cancel", async () => {
    const { id } = dataOf(await resend().emails.send(hello({ scheduledAt: "in 2 hours" })));
    const scheduled = dataOf(await resend().emails.get(id));
    expect(scheduled.last_event).toBe("scheduled");
    const inTwoHours = Date.now() + 7_200_000;
    expect(Math.abs(Date.parse(scheduled.scheduled_at ?? "") - inTwoHours)).toBeLessThan(600_000);
    const scheduledAt = new Date(Date.now() + 86_400_000).toISOString();
    expect(dataOf(await resend().emails.update({ id, scheduledAt }))).toEqual({
      object: "email",
      id,
    });
    expect(dataOf(await resend().emails.get(id)).scheduled_at).toBe(scheduledAt);
    expect(dataOf(await resend().emails.cancel(id))).toEqual({ object: "email", id });
    expect(dataOf(await resend().emails.get(id)).last_event).toBe("canceled");
  });
});

describe("emails.list", () => {
  it("pages with after, newest first, without a gap or a repeat", async () => {
    const ids: string[] = [];
    for (let n = 0; n < 5; n += 1)
      ids.push(dataOf(await resend().emails.send(hello({ subject: `Page ${n}` }))).id);
    const seen: string[] = [];
    let after: string | undefined;
    for (let page = 0; page < 3; page += 1) {
      const list = dataOf(
        await resend().emails.list(after === undefined ? { limit: 2 } : { limit: 2, after }),
      );
      expect(list.object).toBe("list");
      expect(list.has_more).toBe(true);
      seen.push(...list.data.map(({ id }) => id));
      after = seen.at(-1);
    }
    expect(seen.slice(0, 5)).toEqual(ids.toReversed());
  });
});

describe("batch.send", () => {
  const other = hello({ to: "bob@example.com" });
  const wrong = hello({ to: "nobody" });

  it("accepts all emails, once under an idempotency key", async () => {
    const options = { idempotencyKey: "batch-1" };
    const first = dataOf(await resend().batch.send([hello(), other], options));
    expect(first.data).toHaveLength(2);
    expect(dataOf(await resend().batch.send([hello(), other], options)).data).toEqual(first.data);
  });

  it("refuses the whole batch for one email that is wrong, and names it", async () => {
    const before = dataOf(await resend().emails.list({ limit: 1 })).data[0]?.id;
    const { error } = await resend().batch.send([hello(), wrong]);
    expect(error).toMatchObject({ name: "validation_error", statusCode: 422 });
    expect(error?.message).toMatch(/^emails\.1: The `to` field/);
    expect(dataOf(await resend().emails.list({ limit: 1 })).data[0]?.id).toBe(before);
  });

  it("with permissive validation accepts the others, and names the wrong one by its index", async () => {
    const options = { batchValidation: "permissive" } as const;
    const { data, errors } = dataOf(await resend().batch.send([wrong, hello(), wrong], options));
    expect(data).toHaveLength(1);
    expect(errors.map(({ index }) => index)).toEqual([0, 2]);
  });

  it("with permissive validation accepts an email once, also if another one is valid later", async () => {
    const options = { batchValidation: "permissive", idempotencyKey: "mended" } as const;
    const first = dataOf(await resend().batch.send([wrong, other], options));
    const again = dataOf(await resend().batch.send([hello(), other], options));
    expect(again.data).toHaveLength(2);
    expect(again.data[1]).toEqual(first.data[0]);
  });

  it("with permissive validation answers a batch of which all are wrong with its errors", async () => {
    const { data, errors } = dataOf(
      await resend().batch.send([wrong], { batchValidation: "permissive" }),
    );
    expect(data).toEqual([]);
    expect(errors).toHaveLength(1);
  });
});

describe("what is refused has Resend's shape", () => {
  it.each([
    ["no key that is valid", { key: "re_wrong" }, 403, "invalid_api_key"],
    ["no recipient", { body: hello({ to: undefined as never }) }, 422, "missing_required_field"],
    [
      "a sender that Luna does not have",
      { body: hello({ from: "x@y.example" }) },
      422,
      "invalid_from_address",
    ],
    ["no address", { body: hello({ to: "ada" }) }, 422, "validation_error"],
    [
      "an attachment by path",
      { body: hello({ attachments: [{ filename: "a", path: "https://example.com/a" }] }) },
      422,
      "invalid_attachment",
    ],
    ["a topic", { body: hello({ topicId: "news" }) }, 422, "validation_error"],
  ] as const)("%s", async (_, { key = ADMIN_TOKEN, body = hello() }: Refused, status, name) => {
    const { error, data } = await resend(key).emails.send(body);
    expect(data).toBeNull();
    expect(error).toMatchObject({ statusCode: status, name, message: expect.any(String) });
  });

  it("an email that there is not, and calls that Luna does not support", async () => {
    const missing = { name: "not_found", statusCode: 404 };
    expect((await resend().emails.get("no-such-email")).error).toMatchObject(missing);
    expect((await resend().emails.cancel("no-such-email")).error).toMatchObject(missing);
    const unsupported = await resend().domains.list();
    expect(unsupported.error).toMatchObject(missing);
    expect(unsupported.error?.message).toBe("Luna does not support GET /domains of Resend's API.");
    expect((await resend().emails.metrics()).error).toMatchObject(missing);
  });
});

type Refused = { key?: string; body?: CreateEmailOptions };

it("the guide to move from Resend prints what it shows, from an empty project", async () => {
  const page = "migrate-from-resend";
  const folder = mkdtempSync(join(tmpdir(), "luna-resend-"));
  try {
    symlinkSync(resolve("node_modules"), join(folder, "node_modules"));
    const file = join(folder, "send.mjs");
    writeFileSync(file, filesOn(page).get("send.mjs") ?? "");
    const env = { ...process.env, RESEND_API_KEY: ADMIN_TOKEN };
    const run = async () => (await promisify(execFile)(process.execPath, [file], { env })).stdout;
    const shown = /```text\n([^]*?)```/.exec(readFileSync(`docs/guides/${page}.md`, "utf8"))?.[1];
    expect(await run()).toBe(shown);
    expect(await run()).toBe(shown);
    const { data } = dataOf(await resend().emails.list({ limit: 100 }));
    expect(data.filter(({ to }) => to[0] === "Ada <ada@example.com>").length).toBe(1);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
