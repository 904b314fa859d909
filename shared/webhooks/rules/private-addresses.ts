import { ipv6Groups } from "../../lib/base/network.ts";

/**
 * Addresses that no endpoint may have: they lead into the network of the server that calls, or
 * nowhere (https://www.iana.org/assignments/iana-ipv4-special-registry and its twin for IPv6).
 * Pure.
 */

/** First address and length of the prefix. */
type Range4 = readonly [address: string, bits: number];

const privateRanges4: readonly Range4[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  // Multicast, reserved and broadcast.
  ["224.0.0.0", 3],
];

const bytesOf = (address: string): number[] => address.split(".").map(Number);

const numberOf = (address: string): number =>
  bytesOf(address).reduce((sum, byte) => sum * 256 + byte, 0);

const isIpv4 = (host: string): boolean => /^\d{1,3}(\.\d{1,3}){3}$/.test(host);

function isPrivate4(address: string): boolean {
  const number = numberOf(address);
  return privateRanges4.some(([first, bits]) => {
    const size = 2 ** (32 - bits);
    return Math.floor(number / size) === Math.floor(numberOf(first) / size);
  });
}

const dotted = (high: number, low: number): string =>
  [high >> 8, high & 0xff, low >> 8, low & 0xff].join(".");

/**
 * The IPv4 address within an IPv6 address, to which a gateway would pass the call on: mapped,
 * compatible, translated (NAT64, also for local use) and 6to4.
 */
function embedded4(groups: readonly number[]): string | null {
  const [a = 0, b = 0, c = 0, , , f = 0, g = 0, h = 0] = groups;
  const zeros = (from: number, to: number): boolean =>
    groups.slice(from, to).every((group) => group === 0);
  if (zeros(0, 5) && (f === 0 || f === 0xffff)) return dotted(g, h);
  if (zeros(0, 4) && groups[4] === 0xffff && f === 0) return dotted(g, h);
  if (a === 0x64 && b === 0xff9b) return dotted(g, h);
  if (a === 0x2002) return dotted(b, c);
  return null;
}

function isPrivate6(groups: readonly number[]): boolean {
  const [a = 0, b = 0] = groups;
  const within = embedded4(groups);
  if (within !== null) return isPrivate4(within);
  // Only 2000::/3 is given out. Teredo (2001::/32) hides an address, 2001:db8::/32 is for examples.
  return a >> 13 !== 1 || (a === 0x2001 && (b === 0 || b === 0xdb8)) || a === 0x3fff;
}

/** Whether a host is an address from 127.0.0.0/8, `::1` or `localhost`. */
export function isLoopback(host: string): boolean {
  if (host === "localhost") return true;
  if (isIpv4(host)) return host.startsWith("127.");
  return host === "[::1]";
}

/** Names that are resolved in the network of the server that calls (RFC 6761, 6762, 8375, 9476). */
const localName = /(^|\.)(localhost|local|internal|intranet|lan|home\.arpa|localdomain|alt)$/;

/**
 * Whether a host leads into the network of the server that calls.
 *
 * @param host of a URL: the URL standard has made one form of each address
 */
export function isPrivateHost(host: string): boolean {
  if (host.startsWith("[")) {
    const groups = ipv6Groups(host);
    return groups === null || isPrivate6(groups);
  }
  if (isIpv4(host)) return isPrivate4(host);
  return !host.includes(".") || localName.test(host);
}
