import { once } from "node:events";
import type { Socket } from "node:net";
import { connect } from "node:net";

/** A connection that sends what it is told, byte for byte: HTTP libraries are too polite for most attacks. */
export interface RawConnection extends Disposable {
  readonly socket: Socket;
  /** What has come so far. */
  readonly received: string;
  /** Whether the other side has ended it. */
  readonly isClosed: boolean;
  /** Never fails: who is cut sends no more. Resolves when the bytes are with the operating system, or with false when the connection is gone. */
  send(bytes: string | Uint8Array): Promise<boolean>;
  /** All that was received until it was closed. */
  readonly closed: Promise<string>;
  /** Waits for text to come; rejects where the connection ends without. */
  saw(text: string): Promise<string>;
}

export async function openRaw(port: number, host = "127.0.0.1", localAddress?: string): Promise<RawConnection> {
  const socket = connect({ port, host, ...(localAddress !== undefined && { localAddress }) });
  let received = "";
  let isClosed = false;
  socket.setEncoding("latin1").on("data", (text: unknown) => {
    received += String(text);
  });
  // Half of what is tried ends in a reset, which is an answer.
  socket.on("error", () => undefined);
  const closed = new Promise<string>((resolve) => {
    socket.once("close", () => {
      isClosed = true;
      resolve(received);
    });
  });
  await Promise.race([once(socket, "connect"), closed]);
  return {
    socket,
    get received() {
      return received;
    },
    get isClosed() {
      return isClosed;
    },
    send: (bytes) =>
      new Promise((resolve) => {
        if (isClosed) return resolve(false);
        void closed.then(() => resolve(false));
        socket.write(bytes as string, (error) => resolve(error == null));
      }),
    closed,
    saw: (text) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!received.includes(text)) return;
          socket.off("data", look);
          resolve(received);
        };
        socket.on("data", look);
        void closed.then(() => reject(new Error(`"${text}" did not come, but: ${received.slice(0, 500)}`)));
        look();
      }),
    [Symbol.dispose]: () => socket.destroy(),
  };
}

/** Sends bytes on a connection of its own, and answers with what came until it was closed. */
export async function exchange(port: number, bytes: string | Uint8Array): Promise<string> {
  using line = await openRaw(port);
  await line.send(bytes);
  return await line.closed;
}

/** The status of each answer in what was received. */
export const statusesOf = (received: string): number[] =>
  [...received.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));
