import { describe, expect, it } from "vitest";
import { txtRecords } from "./dns-answer.ts";

const record = (data: string, type = 16) => ({ name: "_x.example.com", type, TTL: 300, data });

describe("the answer of a resolver", () => {
  it("has the text of each TXT record, whose strings are joined", () => {
    const answer = {
      Status: 0,
      TC: false,
      Answer: [
        record("other.example.", 5),
        record('"one"'),
        record('"two " "halves"'),
        record(String.raw`"a \"quoted\" \\ word"`),
        record("plain"),
      ],
    };
    expect(txtRecords(answer)).toEqual(["one", "two halves", 'a "quoted" \\ word', "plain"]);
  });

  it("shows that there is none where the name does not exist, or has other records", () => {
    expect(txtRecords({ Status: 3 })).toEqual([]);
    expect(txtRecords({ Status: 0 })).toEqual([]);
    expect(txtRecords({ Status: 0, Answer: [record("192.0.2.1", 1)] })).toEqual([]);
  });

  it.each([
    { Status: 2 },
    { Status: 5, Answer: [record('"one"')] },
    {},
    null,
    "no JSON",
    { Status: "0" },
    { Status: 0, Answer: [{ type: 16 }] },
  ])("shows nothing if it is a failure or none of that form: %j", (answer) => {
    expect(txtRecords(answer)).toBeNull();
  });
});
