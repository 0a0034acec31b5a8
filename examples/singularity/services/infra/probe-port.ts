/** Finds out about a port by trying: first whether somebody answers, then whether it could be had. Neither says who holds it. */
import { connect, createServer, type Socket } from "node:net";
import type { Clock } from "@viable/kernel";

/**
 * `answers`: a connection was taken. `held`: nobody answers, and it cannot be had. `free`: it could be had, and was let go again.
 * `forbidden`: nobody answers, and this user may not have it. `absent`: the machine has no such address. `unknown`: none of these.
 */
export type PortState = "answers" | "held" | "free" | "forbidden" | "absent" | "unknown";

export interface ProbeContext {
  readonly runtime: { readonly clock: Clock };
  readonly signal: AbortSignal;
}

/** How long an answer on the same machine may take, in milliseconds. */
const answerMs = 500;

/** Tries one port of one address of this machine. A server there sees a connection that ends without a word. */
export async function probePort(ctx: ProbeContext, address: string, port: number): Promise<PortState> {
  ctx.signal.throwIfAborted();
  const answer = await tryConnect(ctx, address, port);
  if (answer === "connected") return "answers";
  if (answer === "EADDRNOTAVAIL" || answer === "EAFNOSUPPORT" || answer === "ENETUNREACH") return "absent";
  ctx.signal.throwIfAborted();
  switch (await tryListen(address, port)) {
    case "listened":
      return "free";
    case "EADDRINUSE":
      return "held";
    case "EACCES":
    case "EPERM":
      return "forbidden";
    case "EADDRNOTAVAIL":
    case "EAFNOSUPPORT":
      return "absent";
    default:
      return "unknown";
  }
}

/**
 * Whether a connection was made with itself: of a port that nobody listens on, the system may choose that very port to go out by, and
 * then both ends are one.
 */
export const meetsItself = ({ localAddress, localPort, remoteAddress, remotePort }: Socket): boolean =>
  localPort === remotePort && localAddress === remoteAddress;

/** `connected`, `alone` where nobody is there but ourselves, or the code of what went wrong. */
async function tryConnect(ctx: ProbeContext, host: string, port: number): Promise<string> {
  return await new Promise((resolve) => {
    const socket = connect({ host, port });
    const timer = ctx.runtime.clock.setTimer(() => end("timeout"), answerMs);
    const onAbort = () => end("aborted");
    ctx.signal.addEventListener("abort", onAbort, { once: true });
    const end = (outcome: string) => {
      timer.cancel();
      ctx.signal.removeEventListener("abort", onAbort);
      socket.destroy();
      resolve(outcome);
    };
    socket.once("connect", () => end(meetsItself(socket) ? "alone" : "connected"));
    socket.once("error", (error) => end(codeOf(error)));
  });
}

/** `listened`, or the code of what went wrong. */
async function tryListen(host: string, port: number): Promise<string> {
  return await new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once("error", (error) => resolve(codeOf(error)));
    // Exclusive: where processes share their ports, another's must not pass for free.
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve("listened")));
  });
}

const codeOf = (error: Error): string => ("code" in error ? String(error.code) : "unknown");
