import type { Address } from "./judge-address.ts";
import { judgeAddress, toAddress } from "./judge-address.ts";
import type { Allowances } from "./read-allowances.ts";

/** Longer ones are no addresses of receivers; proxies and servers begin to refuse there, too. */
export const maxUrlChars = 2_048;

/** Below 1,024 stand the machine's own services, mail and remote shells among them: of those only the web's two. */
const lowPorts: readonly number[] = [80, 443];
/** From there up anybody may listen, but for protocols that take a request for lines of their own: the Fetch Standard's list ("port blocking"). */
const badPorts: readonly number[] = [
  1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10_080,
];

/** A URL that may be called, as far as can be said without asking anybody; or why not. */
export type UrlVerdict =
  | { readonly ok: true; readonly url: URL; readonly host: string; readonly address: Address | undefined }
  | { readonly ok: false; readonly code: EgressRefusal; readonly reason: string };

export type EgressRefusal = "egress.invalid_url" | "egress.refused_port" | "egress.refused_address";

/** Judges a URL by itself: its form, its port, and its address where it names one. What a name leads to is judged when it is called. */
export function judgeUrl(text: string, allowances: Allowances): UrlVerdict {
  if (text.length > maxUrlChars) return invalid(`it has more than ${maxUrlChars} characters`);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined) return invalid("it is no absolute URL");
  if (url.protocol !== "http:" && url.protocol !== "https:") return invalid("only http and https are spoken");
  if (url.username !== "" || url.password !== "")
    return invalid("it carries a name or password, which would be kept and shown");
  const port = portOf(url);
  if (port < 1_024 ? !lowPorts.includes(port) : badPorts.includes(port))
    return { ok: false, code: "egress.refused_port", reason: `port ${port} is not a web server's` };
  url.hash = "";
  // With a dot at its end it is the same host under another spelling.
  const host = url.hostname.replace(/^\[|\]$/g, "").replace(/\.+$/, "");
  if (host === "") return invalid("it names no host");
  const address = toAddress(host);
  const reason = address === undefined ? judgeName(host, allowances) : judge(address, allowances);
  return reason === undefined
    ? { ok: true, url, host, address }
    : { ok: false, code: "egress.refused_address", reason: `${host} is ${reason}` };
}

export const portOf = ({ port, protocol }: URL): number => {
  if (port !== "") return Number(port);
  return protocol === "https:" ? 443 : 80;
};

/** Why an address may not be called, where the config does not allow it all the same. */
export const judge = (address: Address, allowances: Allowances): string | undefined =>
  allowances.hasAddress(address) ? undefined : judgeAddress(address);

/** Names that are this machine's by definition (RFC 6761), whatever a resolver says. */
function judgeName(host: string, allowances: Allowances): string | undefined {
  if (allowances.hasName(host)) return undefined;
  return host === "localhost" || host.endsWith(".localhost") ? "a name of this machine itself" : undefined;
}

const invalid = (reason: string): UrlVerdict => ({ ok: false, code: "egress.invalid_url", reason });
