// What is under way to a server that does not read is bounded, and goes on once it reads. The connection is one that is told when it has read.
import type { NatsConnection } from "@nats-io/nats-core";
import { expect, test } from "vitest";
import { Outbox } from "./outbox.ts";

const megabyte = "x".repeat(1_000_000);

function openOutbox(maxPayload = 1_048_576) {
  const flushes: (() => void)[] = [];
  let published = 0;
  let isClosing = false;
  const connection = {
    info: { max_payload: maxPayload },
    publish() {
      if (isClosing) throw new Error("closed connection");
      published += 1;
    },
    flush: () => new Promise<void>((resolve) => flushes.push(resolve)),
  } as unknown as NatsConnection;
  return {
    outbox: new Outbox(connection),
    readOn: async () => {
      flushes.shift()?.();
      await Promise.resolve().then(() => {});
    },
    close: () => {
      isClosing = true;
    },
    published: () => published,
  };
}

test("a server that does not read is sent 64 MiB and no more, until it has read", async () => {
  const { outbox, readOn, published } = openOutbox();
  let sent = 0;
  while (outbox.send("a", megabyte) === "sent" && sent < 1_000) sent += 1;
  expect(sent).toBe(68);
  expect(outbox.send("a", "x")).toBe("full");
  expect(published()).toBe(68);
  await readOn();
  expect(outbox.send("a", megabyte)).toBe("sent");
  await readOn();
  while (outbox.send("a", megabyte) === "sent" && sent < 1_000) sent += 1;
  // All of the first 64 MiB has been read by now, and as much may follow.
  expect(sent).toBe(68 + 67);
});

test("what is longer than the server takes is not sent, in bytes", () => {
  const { outbox, published } = openOutbox(10);
  expect(outbox.send("a", "€€€€")).toEqual({ maxBytes: 10 });
  expect(outbox.send("a", "€€€")).toBe("sent");
  expect(published()).toBe(1);
});

test("a connection that is closing says so and does not throw", () => {
  const { outbox, close } = openOutbox();
  close();
  expect(outbox.send("a", "x")).toBe("ended");
});
