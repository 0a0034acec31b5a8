import { Resolver } from "node:dns/promises";
import type { ClientRequest, IncomingMessage, RequestOptions } from "node:http";
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import type { LookupFunction } from "node:net";
import type { Context } from "@viable/kernel";
import { codeOf, untilSettled } from "@viable/kernel";
import { toAddress } from "./judge-address.ts";
import type { UrlVerdict } from "./judge-url.ts";
import { judge, judgeUrl, portOf } from "./judge-url.ts";
import { readAllowances } from "./read-allowances.ts";

/** What is sent to an address that somebody else named. */
export interface EgressRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What came of it. What the answer said is read and thrown away: it is nothing that whoever named the address should learn by us. */
export type EgressAnswer =
  | { readonly ok: true; readonly status: number; readonly retryAfter: string | undefined }
  | { readonly ok: false; readonly code: EgressFailure; readonly reason: string };

/** A refusal of ours, or what kept an answer from coming. */
export type EgressFailure =
  | (UrlVerdict & { ok: false })["code"]
  | "egress.not_resolved"
  | "egress.not_connected"
  | "egress.timed_out"
  | "egress.broken_answer";

/**
 * The one way out to addresses that somebody else named.
 *
 * Promised: nothing is sent but to an address that was judged, and that very address is connected to, so that a name which leads
 * elsewhere at the next question gains nothing; redirects are answers like any other; a call takes 15 s at most, and of what is answered
 * no more than 64 KiB is read.
 */
export interface Egress {
  /** Whether a URL may be called, as far as can be said without asking anybody. */
  judge(url: string): UrlVerdict;
  /** Sends it with POST. Rejects only as the context ends. */
  post(ctx: Context, request: EgressRequest): Promise<EgressAnswer>;
}

export interface EgressOptions {
  /** Hosts, addresses and ranges that may be called although they would be refused. */
  readonly allow?: readonly string[];
  /** All addresses of a name; the machine's name servers are asked unless given. */
  resolve?(name: string): Promise<readonly string[]>;
}

/** A connection that is not there by then, in milliseconds, is not coming: three lost packets on the way. */
const connectMs = 5_000;
/** How long a call takes at most, in milliseconds; what Standard Webhooks asks for is 15 to 30 s. */
const wholeMs = 15_000;
/** How much of an answer is read, in bytes, so that a receiver can write its own to the end; what goes beyond is cut off. */
const maxAnswerBytes = 65_536;
/** Of the answer's headers. */
const maxHeaderBytes = 16_384;
/** Addresses of one name that are judged; who has more serves no webhooks. */
const maxAddresses = 32;

/** Makes the way out. Throws `config.invalid` where an entry of `allow` is neither a name nor an address nor a range. */
export function createEgress({ allow = [], resolve = resolveName }: EgressOptions = {}): Egress {
  const allowances = readAllowances(allow);

  /** The addresses to connect to; throws where there is none, or one of them is refused: a name that leads to both is a trap. */
  const lookUp = async (host: string): Promise<{ address: string; family: number }[]> => {
    let found: readonly string[];
    try {
      found = await resolve(host);
    } catch (error) {
      throw new Refused("egress.not_resolved", `${host} could not be resolved (${codeOf(error)})`);
    }
    if (found.length === 0) throw new Refused("egress.not_resolved", `${host} has no address`);
    if (found.length > maxAddresses)
      throw new Refused("egress.refused_address", `${host} has more than ${maxAddresses} addresses`);
    return found.map((text) => {
      const address = toAddress(text);
      const reason = address === undefined ? "what is no address" : judgeOf(host, address);
      if (address === undefined || reason !== undefined)
        throw new Refused("egress.refused_address", `${host} leads to ${reason}`);
      return { address: address.toString(), family: address.kind() === "ipv4" ? 4 : 6 };
    });
  };
  const judgeOf = (host: string, address: NonNullable<ReturnType<typeof toAddress>>): string | undefined =>
    allowances.hasName(host) ? undefined : judge(address, allowances);

  return {
    judge: (url) => judgeUrl(url, allowances),
    async post(ctx, { url: text, headers, body }) {
      const verdict = judgeUrl(text, allowances);
      if (!verdict.ok) return verdict;
      const { url, host, address } = verdict;
      const lookup: LookupFunction = (_name, options, callback) => {
        lookUp(host).then(
          (addresses) => {
            if (options.all === true) callback(null, addresses);
            else callback(null, addresses[0]?.address ?? "", addresses[0]?.family ?? 4);
          },
          (error: NodeJS.ErrnoException) => callback(error, "", 4),
        );
      };
      const options: RequestOptions = {
        method: "POST",
        // Of its own: a connection that is kept was judged for another call, and another name may lead to it.
        agent: false,
        // An address is not looked up by Node: it was judged above, in the form that it is connected to.
        hostname: address?.toString() ?? host,
        port: portOf(url),
        path: `${url.pathname}${url.search}`,
        lookup,
        maxHeaderSize: maxHeaderBytes,
        headers: {
          ...headers,
          // Without the dot that a name may end with: servers and their certificates do not know it by that.
          host: url.host.replace(/\.+(?=:|$)/, ""),
          connection: "close",
          "content-length": String(Buffer.byteLength(body)),
        },
      };
      return await untilSettled<EgressAnswer>(ctx, (resolve) => {
        const call = url.protocol === "https:" ? requestHttps(options) : requestHttp(options);
        return follow(ctx, call, body, resolve);
      });
    },
  };
}

/** Sends the body and tells how it went, once. Answers how to break it off. */
function follow(ctx: Context, call: ClientRequest, body: string, tell: (answer: EgressAnswer) => void): () => void {
  const { clock } = ctx.runtime;
  let isConnected = false;
  let answered: EgressAnswer | undefined;
  const end = (answer: EgressAnswer) => {
    letGo();
    // Who has answered has answered, whatever comes of the rest.
    tell(answered ?? answer);
  };
  const connecting = clock.setTimer(() => {
    if (!isConnected) end(failed("egress.not_connected", `no connection within ${connectMs / 1_000} s`));
  }, connectMs);
  const whole = clock.setTimer(() => end(failed("egress.timed_out", `no answer within ${wholeMs / 1_000} s`)), wholeMs);
  const letGo = () => {
    connecting.cancel();
    whole.cancel();
    // What still comes of the connection is nobody's business.
    call.on("error", () => undefined);
    call.destroy();
  };
  call.once("socket", (socket) => {
    const connected = () => {
      isConnected = true;
    };
    socket.once("secureConnect", connected);
    if (!("encrypted" in socket)) socket.once("connect", connected);
  });
  call.once("error", (error) => end(whyFailed(error, isConnected)));
  call.once("response", (response: IncomingMessage) => {
    const { statusCode = 0, headers } = response;
    answered = { ok: true, status: statusCode, retryAfter: headers["retry-after"] };
    let bytes = 0;
    response.on("data", (chunk: Buffer) => {
      bytes += chunk.byteLength;
      if (bytes > maxAnswerBytes) end(answered as EgressAnswer);
    });
    response.once("close", () => end(answered as EgressAnswer));
    response.on("error", () => end(answered as EgressAnswer));
  });
  call.end(body);
  return letGo;
}

/** Refused before anything was connected to. Goes through Node's lookup, which takes errors. */
class Refused extends Error {
  readonly refusal: EgressFailure;
  constructor(refusal: EgressFailure, reason: string) {
    super(reason);
    this.refusal = refusal;
  }
}

function whyFailed(error: Error, isConnected: boolean): EgressAnswer {
  if (error instanceof Refused) return failed(error.refusal, error.message);
  // The code alone: texts of the network tell of addresses and of what answers there.
  const code = codeOf(error);
  return isConnected
    ? failed("egress.broken_answer", `the answer broke off or was none (${code})`)
    : failed("egress.not_connected", `no connection (${code})`);
}

const failed = (code: EgressFailure, reason: string): EgressAnswer => ({ ok: false, code, reason });

/** What a name server may take for an answer, in milliseconds, and how often it is asked: within the time to connect. */
const nameServer = { timeout: 2_000, tries: 2 };

/**
 * Asks the machine's name servers, and neither its hosts file nor the pool of threads in which Node otherwise waits for names: one of somebody
 * else's that never answers would hold a thread that files and databases need.
 */
async function resolveName(name: string): Promise<readonly string[]> {
  const resolver = new Resolver(nameServer);
  const [v4, v6] = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
  if (v4.status === "rejected" && v6.status === "rejected") throw v4.reason;
  return [v4, v6].flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
}
