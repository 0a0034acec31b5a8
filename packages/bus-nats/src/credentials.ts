import type { Authenticator, TlsOptions } from "@nats-io/nats-core";
import { credsAuthenticator } from "@nats-io/nats-core";
import { invalidServers } from "./errors.ts";

/** How to reach the servers, and what to tell them. */
export interface NatsServers {
  /** Where they are, as `HOST:PORT`. */
  readonly addresses: readonly string[];
  readonly user: string | undefined;
  readonly pass: string | undefined;
  readonly token: string | undefined;
  readonly authenticator: Authenticator | undefined;
  readonly tls: TlsOptions | undefined;
}

/** Certificates and keys in PEM, as text. */
export interface NatsTls {
  /** Whom to trust; by default, whom Node trusts. */
  readonly ca?: string;
  /** Who we are, where the server asks. */
  readonly cert?: string;
  readonly key?: string;
}

/** What NATS listens on where nothing is said. */
const defaultPort = 4222;

/**
 * Reads `nats://HOST:PORT`, `nats://USER:PASSWORD@HOST`, `nats://TOKEN@HOST` and `tls://…`. A cluster has one way to say who comes: what one
 * address says holds for all, and two that differ are refused. Throws `bus.invalid_servers`.
 */
export function readServers(
  servers: readonly string[],
  options: { readonly creds?: string; readonly tls?: NatsTls },
): NatsServers {
  if (servers.length === 0) throw invalidServers("none is named");
  const urls = servers.map(parseUrl);
  const spoken = new Set(
    urls.map(({ username, password }) => `${username}:${password}`).filter((each) => each !== ":"),
  );
  if (spoken.size > 1) throw invalidServers("two of them name different credentials");
  if (spoken.size === 1 && options.creds !== undefined)
    throw invalidServers("they name credentials, and creds does too");
  const [name, password] = (spoken.values().next().value ?? ":").split(":").map(decode);
  const isToken = name !== "" && password === "";
  return {
    addresses: urls.map(({ hostname, port }) => `${hostname}:${port === "" ? defaultPort : port}`),
    user: name === "" || isToken ? undefined : name,
    pass: password === "" ? undefined : password,
    token: isToken ? name : undefined,
    authenticator: options.creds === undefined ? undefined : readCreds(options.creds),
    tls: options.tls ?? (urls.some(({ protocol }) => protocol === "tls:") ? {} : undefined),
  };
}

function parseUrl(server: string): URL {
  const text = server.includes("://") ? server : `nats://${server}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // What is wrong is not quoted: it may hold a password.
  if (url === undefined || url.hostname === "") throw invalidServers("one is no address");
  if (url.protocol !== "nats:" && url.protocol !== "tls:") throw invalidServers(`one begins with ${url.protocol}//`);
  return url;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw invalidServers("a user or password has a % that begins nothing; write %25");
  }
}

/** Tried at once, so that a text that is none is told here and not by a connection that never comes. */
function readCreds(creds: string): Authenticator {
  const authenticator = credsAuthenticator(new TextEncoder().encode(creds));
  try {
    authenticator("");
  } catch {
    throw invalidServers("creds is not the text of a creds file");
  }
  return authenticator;
}
