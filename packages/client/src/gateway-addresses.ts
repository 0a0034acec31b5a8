import { ViableError } from "@viable/kernel";

/** Addresses of one system: more gateways than this are behind one name. */
const maxAddresses = 16;

/** Where gateways of one system are. All of them serve every session, so whoever cannot reach one goes on at another. */
export interface GatewayAddresses {
  /** Which one is asked now. */
  readonly current: string;
  readonly count: number;
  /** This one gave no answer: from here on the next is asked, unless somebody has gone on from it already. */
  failed(address: string): void;
}

/** Throws `client.invalid_address` where there is none, or more than 16. */
export function createAddresses(url: string | readonly string[]): GatewayAddresses {
  const all = (typeof url === "string" ? [url] : url).map((each) => each.replace(/\/+$/, ""));
  if (all.length === 0 || all.length > maxAddresses)
    throw new ViableError("client.invalid_address", `One to ${maxAddresses} addresses are needed, not ${all.length}.`, {
      next: "Give the addresses of the system's gateways, or of what stands before them.",
    });
  let at = 0;
  return {
    get current() {
      return all[at] as string;
    },
    count: all.length,
    failed(address) {
      if (all[at] === address) at = (at + 1) % all.length;
    },
  };
}
