import { BlockList, isIP, isIPv4, isIPv6 } from "node:net";

/** Tells where a request comes from: the socket's other end, unless that is a proxy that is trusted to say so. */
export type ClientAddress = (peer: string | undefined, forwardedFor: string | undefined) => string;

/** `trusted` are addresses and networks of proxies, such as `10.0.0.0/8`. */
export function createClientAddress(trusted: readonly string[]): ClientAddress {
  const proxies = new BlockList();
  for (const each of trusted) {
    const [address = "", bits] = each.split("/");
    const family = isIPv4(address) ? "ipv4" : "ipv6";
    const prefix = bits === undefined ? (family === "ipv4" ? 32 : 128) : Number(bits);
    proxies.addSubnet(address, prefix, family);
  }
  const isTrusted = (address: string) => proxies.check(address, isIPv4(address) ? "ipv4" : "ipv6");
  return (peer, forwardedFor) => {
    let address = plain(peer ?? "");
    if (address === undefined) return "unknown";
    // Each proxy adds whom it heard at the end; what stands before the first that is not trusted is anybody's word.
    for (const named of forwardedFor?.split(",").reverse() ?? []) {
      if (!isTrusted(address)) break;
      const before = plain(named.trim());
      if (before === undefined) break;
      address = before;
    }
    return address;
  };
}

/** An address without brackets, zone or port, an IPv4 address as such; undefined for what is none. */
function plain(text: string): string | undefined {
  const address = text.replace(/^\[(.*)\](:\d+)?$/, "$1").replace(/%.*$/, "");
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
  return isIP(mapped) === 0 ? undefined : mapped;
}

/** What of an address is one client: of IPv6 the first 64 bits, since whoever has one of a network has them all. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = "", tail] = address.toLowerCase().split("::");
  const groups = (part: string | undefined) => (part === undefined || part === "" ? [] : part.split(":"));
  const [first, last] = [groups(head), groups(tail)];
  const gap = tail === undefined ? 0 : Math.max(0, 8 - first.length - last.length);
  const all = [...first, ...Array<string>(gap).fill("0"), ...last];
  const network = all.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${network.join(":")}::/64`;
}
