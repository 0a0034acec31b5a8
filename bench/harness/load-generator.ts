import { connect } from "node:net";
import { createHistogram, performance } from "node:perf_hooks";
import { answerParent } from "./child.ts";
import { watchProcess } from "./watch-process.ts";

/** A load: so many clients, each with a connection of its own that it keeps, each sending its next request when it has its answer. */
export interface Load {
  readonly url: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The body of request n: `%n` is replaced by a number that no other request has. */
  readonly body: string;
  /** An answer without this text is an error. */
  readonly wanted: string;
  readonly clients: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
}

export interface Measured {
  readonly perSecond: number;
  /** Right answers in all, those of the warm-up included. */
  readonly answers: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly errors: number;
  /** The first wrong answer, for whoever has to find out why. */
  readonly firstError: string | undefined;
}

/** Spread over runs, so that no two commands are equal. */
let nextNumber = 1;

/**
 * Raw sockets and as little work as possible for each answer: on a small machine the generator takes its time from what it
 * measures. All subjects are measured by this one.
 */
async function generateLoad(load: Load): Promise<Measured> {
  const { hostname, port } = new URL(load.url);
  const histogram = createHistogram({ lowest: 1, highest: 60_000_000, figures: 3 });
  const startMs = performance.now() + load.warmUpMs;
  const endMs = startMs + load.durationMs;
  let errors = 0;
  let firstError: string | undefined;
  let answers = 0;
  let count = 0;

  const head = [
    `POST ${load.path} HTTP/1.1`,
    `Host: ${hostname}:${port}`,
    "Content-Type: application/json",
    ...Object.entries(load.headers).map(([name, value]) => `${name}: ${value}`),
  ].join("\r\n");
  const nextRequest = (): string => {
    const body = load.body.replace("%n", String(nextNumber++));
    return `${head}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  };

  const runClient = () =>
    new Promise<void>((resolve, reject) => {
      const socket = connect({ host: hostname, port: Number(port), noDelay: true });
      let answer = "";
      let sentMs = 0;
      const send = () => {
        answer = "";
        sentMs = performance.now();
        socket.write(nextRequest(), "latin1");
      };
      socket.setEncoding("latin1");
      socket.once("connect", send);
      socket.on("data", (chunk) => {
        answer += chunk;
        if (!isComplete(answer)) return;
        const nowMs = performance.now();
        if (!answer.startsWith("HTTP/1.1 200") || !answer.includes(load.wanted)) {
          errors += 1;
          firstError ??= answer;
        } else {
          answers += 1;
          if (nowMs >= startMs && nowMs < endMs) {
            count += 1;
            histogram.record(Math.max(1, Math.round((nowMs - sentMs) * 1_000)));
          }
        }
        if (nowMs < endMs) send();
        else socket.end();
      });
      socket.on("close", () => resolve());
      socket.on("error", reject);
    });
  await Promise.all(Array.from({ length: load.clients }, runClient));
  return {
    answers,
    perSecond: (count * 1_000) / load.durationMs,
    p50Ms: histogram.percentile(50) / 1_000,
    p99Ms: histogram.percentile(99) / 1_000,
    errors,
    firstError,
  };
}

/** Whether the answer has come whole: by its length, or chunked to its last chunk. */
function isComplete(answer: string): boolean {
  const bodyAt = answer.indexOf("\r\n\r\n");
  if (bodyAt < 0) return false;
  const length = /\r\ncontent-length: *(\d+)/i.exec(answer.slice(0, bodyAt))?.[1];
  return length === undefined ? answer.endsWith("\r\n0\r\n\r\n") : answer.length >= bodyAt + 4 + Number(length);
}

answerParent({
  ready: () => true,
  load: ({ load }: { load: Load }) => generateLoad(load),
  ...watchProcess(),
});
