import { ViableError } from "@viable/kernel";
import ipaddr from "ipaddr.js";
import type { Address } from "./judge-address.ts";
import { toAddress } from "./judge-address.ts";

/** What may be called although it would be refused. */
export interface Allowances {
  /** Whatever the name leads to. */
  hasName(name: string): boolean;
  hasAddress(address: Address): boolean;
}

/** Entries of the config's list: each is looked at for every address that is called. */
const maxEntries = 1_000;
const namePattern = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/;

/** Reads the config's list: names of hosts, addresses, and ranges such as `10.0.0.0/8`. Throws `config.invalid`. */
export function readAllowances(entries: readonly string[]): Allowances {
  if (entries.length > maxEntries) throw invalid(`has ${entries.length} entries, and may have ${maxEntries}`);
  const names = new Set<string>();
  const ranges: [Address, number][] = [];
  for (const entry of entries) {
    const [host = "", bits, ...rest] = entry.split("/");
    const address = toAddress(host);
    if (address === undefined) {
      if (bits !== undefined || !namePattern.test(host))
        throw invalid(`"${entry}" is no host's name in lower case, no address and no range such as 10.0.0.0/8`);
      names.add(host);
      continue;
    }
    const maxBits = address.kind() === "ipv4" ? 32 : 128;
    const size = bits === undefined ? maxBits : Number(bits);
    if (rest.length > 0 || bits === "" || !(Number.isInteger(size) && size >= 0 && size <= maxBits))
      throw invalid(`"${entry}" is no range: after the / stands a whole number up to ${maxBits}`);
    ranges.push([address, size]);
  }
  return {
    hasName: (name) => names.has(name),
    hasAddress: (address) =>
      ranges.some(([range, bits]) => {
        if (address instanceof ipaddr.IPv4) return range instanceof ipaddr.IPv4 && address.match(range, bits);
        return range instanceof ipaddr.IPv6 && address.match(range, bits);
      }),
  };
}

const invalid = (reason: string): ViableError =>
  new ViableError("config.invalid", `egress.allow: ${reason}.`, { details: { path: "egress.allow" } });
