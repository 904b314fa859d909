import { describe, expect, it } from "vitest";
import { checkUrl } from "./url-policy.ts";

const check = (url: string, allowLoopback = false) => checkUrl(url, { allowLoopback });

const refusedHosts = {
  loopback: ["127.0.0.1", "127.1", "localhost", "LOCALHOST.", "a.localhost", "[::1]", "0.0.0.0"],
  "decimal, octal and hexadecimal forms": ["2130706433", "0177.0.0.1", "0x7f.1", "0x7f000001"],
  private: ["10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "[fc00::1]", "[fd12::1]"],
  "link-local and metadata": [
    "169.254.169.254",
    "0xa9fea9fe",
    "[fe80::1]",
    "metadata.google.internal",
    "[fd00:ec2::254]",
  ],
  "IPv4 within IPv6": [
    "[::ffff:127.0.0.1]",
    "[::ffff:a9fe:a9fe]",
    "[::10.0.0.1]",
    "[64:ff9b::169.254.169.254]",
    "[64:ff9b:1::10.0.0.1]",
    "[2002:7f00:1::]",
    "[::ffff:0:10.0.0.1]",
  ],
  "without a public meaning": [
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "[ff02::1]",
    "[2001:db8::1]",
    "[2001::1]",
    "[::]",
  ],
  "local names": ["printer", "nas.local", "db.internal", "router.lan", "x.home.arpa"],
};

describe.each(Object.entries(refusedHosts))("a host that is %s", (_, hosts) => {
  it.each(hosts)("%s is refused", (host) => {
    expect(check(`https://${host}/hook`)).toEqual({
      ok: false,
      error: "must not lead into a private network",
    });
  });
});

it.each([
  ["http://example.com/", "must begin with https://"],
  ["ftp://example.com/", "must begin with https://"],
  ["file:///etc/passwd", "must begin with https://"],
  ["javascript:alert(1)", "must begin with https://"],
  ["https://user:secret@example.com/", "must not have a user or password"],
  ["https://example.com/#part", "must not have a fragment"],
  ["https://", "is not a URL"],
  ["example.com/hook", "is not a URL"],
  [`https://example.com/${"x".repeat(2_100)}`, "must have at most 2048 characters"],
])("%s is refused: it %s", (url, error) => {
  expect(check(url)).toEqual({ ok: false, error });
});

it.each([
  ["https://example.com/hook?a=b", "https://example.com/hook?a=b"],
  ["HTTPS://Example.COM:8443", "https://example.com:8443/"],
  ["https://bücher.example/", "https://xn--bcher-kva.example/"],
  ["https://8.8.8.8/", "https://8.8.8.8/"],
  ["https://172.32.0.1/", "https://172.32.0.1/"],
  ["https://[2606:4700::1111]/", "https://[2606:4700::1111]/"],
])("%s is taken", (url, value) => {
  expect(check(url)).toEqual({ ok: true, value });
});

it.each([
  "http://127.0.0.1:9000/hook",
  "http://localhost:9000/",
  "http://[::1]:9000/",
  "https://127.0.0.1:9000/",
])("%s is taken only where loopback is allowed", (url) => {
  expect(check(url, true).ok).toBe(true);
  expect(check(url).ok).toBe(false);
});

it.each(["http://10.0.0.1/", "http://example.com/", "http://[::ffff:127.0.0.1]/", "http://0/"])(
  "%s is refused even where loopback is allowed",
  (url) => {
    expect(check(url, true).ok).toBe(false);
  },
);
