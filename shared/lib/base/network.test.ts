import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runs } from "../../../test/support/seed.ts";
import { networkOf } from "./network.ts";

describe("the network of an address", () => {
  it.each([
    ["as it is written most often", "2001:db8:0:1::5"],
    ["in upper case", "2001:DB8:0:1::5"],
    ["with every group", "2001:db8:0:1:0:0:0:5"],
    ["with every digit", "2001:0db8:0000:0001:0000:0000:0000:0005"],
    ["of another host", "2001:db8:0:1:ffff:ffff:ffff:ffff"],
    ["that ends like an IPv4 address", "2001:db8:0:1::192.0.2.1"],
    ["in brackets", "[2001:db8:0:1::5]"],
    ["with a zone", "2001:db8:0:1::5%eth0"],
    ["in brackets with a zone", "[2001:db8:0:1::5%25eth0]"],
    ["with spaces around it", " 2001:db8:0:1::5 "],
    ["without a host", "2001:db8:0:1::"],
  ])("is the /64 of an IPv6 address %s", (_, address) => {
    expect(networkOf(address)).toBe("2001:db8:0:1::/64");
  });

  it.each([
    ["itself", "192.0.2.1"],
    ["mapped to IPv6", "::ffff:192.0.2.1"],
    ["mapped, in hexadecimal", "::FFFF:c000:201"],
    ["mapped, with every group", "0:0:0:0:0:ffff:192.0.2.1"],
    ["mapped, in brackets", "[::ffff:192.0.2.1]"],
  ])("is the address of an IPv4 host %s", (_, address) => {
    expect(networkOf(address)).toBe("192.0.2.1");
  });

  it.each([
    ["::1", "0:0:0:0::/64"],
    ["::", "0:0:0:0::/64"],
    ["fe80::1", "fe80:0:0:0::/64"],
    ["1:2:3:4:5:6:7::", "1:2:3:4::/64"],
    ["::ffff:0:c000:201", "0:0:0:0::/64"],
  ])("of %s is %s", (address, network) => {
    expect(networkOf(address)).toBe(network);
  });

  it.each(["unknown", "", "not:an:address", "1::2::3", "12345::1", ":::", "a.b:c"])(
    "of text that is no address is the text: %j",
    (text) => expect(networkOf(text)).toBe(text),
  );

  it("is one for two addresses if and only if their first 64 bits are equal", () => {
    const groups = fc.array(fc.integer({ min: 1, max: 0xffff }), { minLength: 8, maxLength: 8 });
    const written = (all: number[]): string => all.map((group) => group.toString(16)).join(":");
    fc.assert(
      fc.property(groups, groups, (one, other) => {
        const sameNetwork = [...one.slice(0, 4), ...other.slice(4)];
        expect(networkOf(written(one))).toBe(networkOf(written(sameNetwork)));
        const differs = one.slice(0, 4).join() !== other.slice(0, 4).join();
        expect(networkOf(written(one)) !== networkOf(written(other))).toBe(differs);
      }),
      { numRuns: runs },
    );
  });
});
