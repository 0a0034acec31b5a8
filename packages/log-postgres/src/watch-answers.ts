import type { Socket } from "node:net";
import type { Clock, Timer } from "@viable/kernel";
import type pg from "pg";
import type { ClientBase } from "pg";

/**
 * How long a connection may owe an answer before the server is asked, by another, whether it is at work on it, in milliseconds; and twice as
 * long after each time that it was.
 */
const suspectMs = 2_000;
/** What a slow network takes in a millisecond, in bytes: the server is not at work on what it has not received. */
const sentBytesPerMs = 1_000;
const lookEveryMs = 500;

/**
 * Has a connection end whose answer will never come, as where a network forgot it or a server died without a word: waiting for it takes as long as a
 * statement may take, and nobody commits meanwhile. When it owes an answer for two seconds, `isAtWork` is asked; a server that knows of no work on
 * this connection will not answer on it. A slow statement, and one that waits for a lock, go on. Where nobody can say (undefined), it stays.
 *
 * Not noticed: a connection that is forgotten in the middle of an answer.
 */
export function watchAnswers(client: ClientBase, clock: Clock, isAtWork: () => Promise<boolean | undefined>): void {
  const stream = (client as pg.Client).connection.stream as Socket;
  /** How much was written when something was last read: what was written since is not answered. */
  let answeredBytes = stream.bytesWritten;
  let owedSinceMs: number | undefined;
  let patienceMs = suspectMs;
  const heard = () => {
    answeredBytes = stream.bytesWritten;
    owedSinceMs = undefined;
    patienceMs = suspectMs;
  };
  const look = async (): Promise<void> => {
    if (stream.bytesWritten === answeredBytes) return;
    owedSinceMs ??= clock.monotonicMs();
    const sinceMs = owedSinceMs;
    const sendingMs = (stream.bytesWritten - answeredBytes) / sentBytesPerMs;
    if (clock.monotonicMs() - sinceMs < patienceMs + sendingMs) return;
    patienceMs *= 2;
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
  // Before the driver's: what it hands an answer to may ask the next at once.
  stream.prependListener("data", heard);
  stream.once("close", () => timer?.cancel());
  lookLater();
}
