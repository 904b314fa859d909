/**
 * The network that an address counts as: an IPv4 address itself, the /64 of an IPv6 address, since
 * a subscriber holds at least a /64. Equal networks give equal text, however the address is
 * written. Text that is no IPv6 address is returned as it is.
 */
export function networkOf(address: string): string {
  const groups = ipv6Groups(address);
  if (groups === null) return address;
  if (IPV4_MAPPED.every((group, n) => group === groups[n]))
    return groups
      .slice(IPV4_MAPPED.length)
      .flatMap((group) => [group >> 8, group & 0xff])
      .join(".");
  const network = groups.slice(0, 4).map((group) => group.toString(16));
  return `${network.join(":")}::/64`;
}

/** `::ffff:0:0/96` (RFC 4291, 2.5.5.2). */
const IPV4_MAPPED = [0, 0, 0, 0, 0, 0xffff];
const GROUPS = 8;

/** The eight groups of an IPv6 address, in brackets or not, with a zone or without. */
export function ipv6Groups(address: string): number[] | null {
  const bare = /^\[?([0-9a-f:.]+)(?:%[^\]]*)?\]?$/i.exec(address.trim())?.[1];
  if (bare === undefined || !bare.includes(":")) return null;
  const url = `http://[${bare}]/`;
  if (!URL.canParse(url)) return null;
  // The URL standard writes an address in one way: lower case, `::` for the longest zeros.
  const [head = "", tail] = new URL(url).hostname.slice(1, -1).split("::");
  const before = parsed(head);
  if (tail === undefined) return before;
  const after = parsed(tail);
  return [...before, ...Array<number>(GROUPS - before.length - after.length).fill(0), ...after];
}

const parsed = (text: string): number[] =>
  text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
