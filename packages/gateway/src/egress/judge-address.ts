import ipaddr from "ipaddr.js";

/** One address, as four or sixteen bytes; v4 that is written as v6 is v4. */
export type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** The network that is given out to hosts of the internet. What lies beside it is reserved, or leads somewhere else. */
const globalUnicast = ipaddr.IPv6.parseCIDR("2000::/3");
/** Public by its number, and answers only the machine that it runs: the host agent of Azure, which hands out its configuration. */
const hostAgents: readonly string[] = ["168.63.129.16"];

/** What each range that is not the internet's is called in a refusal; a range that is not here is told by its own name. */
const names: { readonly [range: string]: string } = {
  unspecified: "the unspecified address, which means this machine",
  loopback: "an address of this machine itself",
  private: "a private address",
  uniqueLocal: "a private address",
  linkLocal: "a link-local address, where clouds answer with their secrets",
  carrierGradeNat: "an address behind a carrier's NAT",
  multicast: "a multicast address",
  broadcast: "the broadcast address",
  reserved: "a reserved address, as of documentation and tests",
  rfc6052: "an address that a NAT64 leads to any v4 address",
  rfc6145: "an address that is translated to any v4 address",
  "6to4": "a 6to4 address, which leads to any v4 address",
  teredo: "a Teredo address, which leads to any v4 address",
};

/** The address that a text is; undefined where it is none. Takes what a resolver or a parsed URL gives, brackets taken off. */
export function toAddress(text: string): Address | undefined {
  // A zone names an interface of this machine: whoever asks from outside knows none.
  if (text.includes("%") || !ipaddr.isValid(text)) return undefined;
  // Of v4 only four decimal numbers: other forms are turned into these by whoever parses URLs, and nobody else's are taken.
  if (!text.includes(":") && !ipaddr.IPv4.isValidFourPartDecimal(text)) return undefined;
  return ipaddr.process(text);
}

/** Why nobody from outside may have this address called; undefined where it is one of the internet's. Unknown means no. */
export function judgeAddress(address: Address): string | undefined {
  const text = address.toString();
  if (hostAgents.includes(text)) return "the agent of a cloud's host";
  const range = address.range();
  if (range !== "unicast") return names[range] ?? `an address for another use (${range})`;
  if (address instanceof ipaddr.IPv6 && !address.match(globalUnicast)) return names.reserved;
  return undefined;
}
