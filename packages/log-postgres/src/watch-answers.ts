import type { Socket } from "node:net";
import type { Clock, Timer } from "@viable/kernel";
import type pg from "pg";
import type { ClientBase } from "pg";

/** How long a connection may owe an answer before the server is asked, by another, whether it is at work on it, in milliseconds. */
const suspectMs = 2_000;
const lookEveryMs = 500;

/**
 * Has a connection end whose answer will never come, as where a network forgot it or a server died without a word: waiting for it takes as long as a
 * statement may take, and nobody commits meanwhile. When it owes an answer for two seconds, `isAtWork` is asked; a server that knows of no work on
 * this connection will not answer on it. A slow statement, and one that waits for a lock, go on. Where nobody can say (undefined), it stays.
 */
export function watchAnswers(client: ClientBase, clock: Clock, isAtWork: () => Promise<boolean | undefined>): void {
  const stream = (client as pg.Client).connection.stream as Socket;
  /** How much was written when something was last read: what was written since is not answered. */
  let answeredBytes = stream.bytesWritten;
  let owedSinceMs: number | undefined;
  const heard = () => {
    answeredBytes = stream.bytesWritten;
    owedSinceMs = undefined;
  };
  const look = async (): Promise<void> => {
    if (stream.bytesWritten === answeredBytes) return;
    owedSinceMs ??= clock.monotonicMs();
    const sinceMs = owedSinceMs;
    if (clock.monotonicMs() - sinceMs < suspectMs) return;
    const atWork = await isAtWork().catch(() => undefined);
    // It may have been answered meanwhile, and owe another.
    if (atWork === false && owedSinceMs === sinceMs)
      stream.destroy(new Error("The server does not know what this connection waits for."));
  };
  let timer: Timer | undefined;
  const lookLater = (): void => {
    if (stream.destroyed) return;
    timer = clock.setTimer(() => void look().finally(lookLater), lookEveryMs, { background: true });
  };
  stream.on("data", heard);
  stream.once("close", () => timer?.cancel());
  lookLater();
}
