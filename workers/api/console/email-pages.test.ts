import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countedAt, figures, lastDays, type EmailCount } from "./email-counts.ts";
import { frameDocument, hasRemote } from "./email-frame.ts";
import { isFiltered, MAX_PAGES, PAGE_SIZE, readOn, queryOf } from "./email-search.ts";
import { groupsOf, groupText, type TimelineEvent } from "./timeline-groups.ts";

/** What the pages of emails decide. */

describe("a search", () => {
  it("asks for what the address names, and its last day is part of it", () => {
    const query = new URLSearchParams("to=a@b.cc&status=bounced&since=2026-11-30&until=2026-11-30");
    expect(queryOf(query)).toEqual({
      to: "a@b.cc",
      status: "bounced",
      createdFrom: "2026-11-30T00:00:00.000Z",
      createdBefore: "2026-12-01T00:00:00.000Z",
    });
    expect([isFiltered(query), isFiltered(new URLSearchParams("range=day"))]).toEqual([
      true,
      false,
    ]);
  });

  it("hands a wrong day to the API, which refuses it by name", () => {
    expect(queryOf(new URLSearchParams("since=soon"))).toEqual({ createdFrom: "soon" });
  });

  type Page = { items: { id: string }[]; nextCursor?: string; searchedBackTo?: string };
  const scripted = (pages: Page[]) => {
    const asked: object[] = [];
    const read = async (page: object) => {
      asked.push(page);
      const body = pages[asked.length - 1] ?? { items: [] };
      return { ok: true as const, status: 200, body: body as never };
    };
    return { asked, read };
  };

  it("reads on while pages are not full, and never more than ten of them", async () => {
    const empty = (n: number): Page => ({
      items: [],
      nextCursor: `c${n}`,
      searchedBackTo: `t${n}`,
    });
    const two = scripted([empty(1), { items: [{ id: "a" }] }]);
    expect(await readOn(two.read)).toMatchObject({ ok: true, body: { items: [{ id: "a" }] } });
    expect(two.asked).toEqual([{ limit: "25" }, { limit: "25", cursor: "c1" }]);
    const many = scripted(Array.from({ length: 20 }, (_, n) => empty(n + 1)));
    expect(await readOn(many.read)).toMatchObject({
      body: { items: [], nextCursor: `c${MAX_PAGES}`, searchedBackTo: `t${MAX_PAGES}` },
    });
    expect(many.asked).toHaveLength(MAX_PAGES);
  });

  it("asks for no more than the page has room for", async () => {
    const items = Array.from({ length: PAGE_SIZE - 3 }, (_, n) => ({ id: String(n) }));
    const { asked, read } = scripted([
      { items, nextCursor: "c" },
      { items: items.slice(0, 3), nextCursor: "d" },
    ]);
    expect(await readOn(read)).toMatchObject({ body: { nextCursor: "d" } });
    expect(asked.at(-1)).toEqual({ limit: "3", cursor: "c" });
  });

  it("that fails on the way shows the failure, not what it found before", async () => {
    const failed = { ok: false as const, status: 503 };
    const first = scripted([{ items: [{ id: "a" }], nextCursor: "c" }]);
    const read = async (page: object) =>
      first.asked.length === 0 ? await first.read(page) : (failed as never);
    expect(await readOn(read)).toEqual(failed);
  });
});

describe("the timeline by attempt", () => {
  const at = "2026-11-30T00:00:00Z";
  const types = (text: string): TimelineEvent[] =>
    text.split(" ").map((one) => {
      const [type = "", generation = "1"] = one.split(":");
      return { type, at, generation: Number(generation) };
    });
  const shown = (text: string): string[] =>
    groupsOf(types(text)).map(
      (group) => `${groupText(group)}: ${group.events.map(({ type }) => type).join(" ")}`,
    );

  it.each([
    [
      "queued claimed sending sent delivered",
      ["Waiting: queued", "Attempt 1: claimed sending sent", "Reported by the provider: delivered"],
    ],
    [
      "queued claimed sending queued claimed sending sending dead",
      [
        "Waiting: queued",
        "Attempt 1: claimed sending queued",
        "Attempt 2: claimed sending sending dead",
      ],
    ],
    [
      "scheduled queued claimed queued cancelled",
      [
        "Waiting: scheduled queued",
        "Taken, and not handed over: claimed queued",
        "Waiting: cancelled",
      ],
    ],
    [
      "queued claimed sending dead queued:2 claimed:2 sending:2 sent:2 bounced:2 complained:2",
      [
        "Waiting: queued",
        "Attempt 1: claimed sending dead",
        "Waiting of generation 2: queued",
        "Attempt 1 of generation 2: claimed sending sent",
        "Reported by the provider of generation 2: bounced complained",
      ],
    ],
  ])("of %s has the groups %o", (text, groups) => {
    expect(shown(text)).toEqual(groups);
  });

  it("has each event once, in order, and no attempt with two outcomes", () => {
    const type = fc.constantFrom("queued", "claimed", "sending", "sent", "dead", "delivered", "x");
    const events = fc.array(fc.record({ type, generation: fc.integer({ min: 1, max: 2 }) }));
    fc.assert(
      fc.property(events, (some) => {
        const all = some
          .toSorted((a, b) => a.generation - b.generation)
          .map((event) => ({ ...event, at }));
        const groups = groupsOf(all);
        expect(groups.flatMap((group) => group.events)).toEqual(all);
        for (const { kind, events: own } of groups) {
          const after = own.findIndex((one) => one.type !== "claimed" && one.type !== "sending");
          expect(kind === "attempt" && after !== -1 && after !== own.length - 1).toBe(false);
          expect(own.some((one) => one.type === "sending")).toBe(kind === "attempt");
        }
      }),
    );
  });
});

describe("the frame of an email's HTML", () => {
  it("has its policy before anything of the email, and loads images only if asked", () => {
    const html = "<html><head><script>alert(1)</script></head><body>Hi</body></html>";
    const without = frameDocument(html, false);
    expect(without.indexOf("Content-Security-Policy")).toBeLessThan(without.indexOf("<script>"));
    expect(without).toContain("default-src 'none'; style-src 'unsafe-inline'; img-src data:\"");
    expect(frameDocument(html, true)).toContain('img-src data: https:"');
  });

  it.each([
    ['<img src="https://x.example/a.png">', true],
    ["<td background='http://x.example/a.png'>", true],
    ['<div style="background: url(//x.example/a.png)">', true],
    ['<img src="cid:logo"><a href="https://x.example">', false],
  ])("of %s is known to name remote images: %o", (html, isRemote) => {
    expect(hasRemote(html)).toBe(isRemote);
  });
});

describe("the counts of 30 days", () => {
  const now = Date.parse("2026-11-30T10:00:00Z");
  const of = (day: string, accepted: number, at?: string) =>
    ({ day, accepted, ...(at !== undefined && { countedAt: at }) }) as EmailCount;

  it("are a line up to today, with gaps where a day is not counted", () => {
    const items = [of("2026-11-30", 3), of("2026-11-28", 5), of("2026-01-01", 9)];
    const days = lastDays(items, now);
    expect(days.from).toBe("2026-11-01T00:00:00.000Z");
    const accepted = figures(days, (count) => count.accepted);
    expect(accepted).toHaveLength(30);
    expect(accepted.slice(-4)).toEqual([null, 5, null, 3]);
  });

  it("are as current as the newest of them", () => {
    expect(countedAt([of("a", 1, "2026-11-02"), of("b", 1, "2026-11-03"), of("c", 1)])).toBe(
      "2026-11-03",
    );
    expect(countedAt([])).toBeNull();
  });
});
