/** Where a request comes from: nobody's word for it is taken but that of proxies that are trusted. */
import { describe, expect, test } from "vitest";
import { createClientAddress, networkOf } from "./client-address.ts";

describe("the client's address", () => {
  test.each([
    [[], "203.0.113.7", "198.51.100.1", "203.0.113.7"],
    [[], "::ffff:203.0.113.7", undefined, "203.0.113.7"],
    [[], undefined, "198.51.100.1", "unknown"],
    [["127.0.0.1"], "127.0.0.1", "198.51.100.1", "198.51.100.1"],
    [["127.0.0.1"], "127.0.0.1", undefined, "127.0.0.1"],
    [["127.0.0.1"], "127.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"],
    [["127.0.0.1", "10.0.0.0/8"], "127.0.0.1", "1.1.1.1, 198.51.100.1, 10.1.2.3", "198.51.100.1"],
    [["10.0.0.0/8"], "127.0.0.1", "198.51.100.1", "127.0.0.1"],
    [["127.0.0.1"], "127.0.0.1", "198.51.100.1, nonsense", "127.0.0.1"],
    [["fd00::/8"], "fd00::1", "[2001:db8::5]:443", "2001:db8::5"],
  ] as const)("with %j trusted, from %s with %s is %s", (trusted, peer, forwardedFor, address) => {
    expect(createClientAddress(trusted)(peer, forwardedFor)).toBe(address);
  });
});

test.each([
  ["203.0.113.7", "203.0.113.7"],
  ["unknown", "unknown"],
  ["2001:db8::1", "2001:db8:0:0::/64"],
  ["2001:0DB8:0:0:1:2:3:4", "2001:db8:0:0::/64"],
  ["2001:db8:0:1::1", "2001:db8:0:1::/64"],
  ["::1", "0:0:0:0::/64"],
])("%s is of %s", (address, network) => {
  expect(networkOf(address)).toBe(network);
});
