// The subject `limit` of remote queries: one of two processes that ask and answer over NATS by hand. The asking one has one inbox for all
// its answers and a table of who waits for which. No authority, no deadline, no trace, no checks.
import { answerParent, readSettings } from "../harness/child.ts";
import { importSameCopy } from "../harness/same-copy.ts";
import { watchProcess } from "../harness/watch-process.ts";
import type { CallLoad } from "./call-load.ts";
import { driveCalls } from "./call-load.ts";
import type { Message } from "./message.ts";

interface NatsMessage {
  readonly data: Uint8Array;
  readonly subject: string;
  readonly reply?: string;
}
interface NatsModule {
  connect(options: { servers: string }): Promise<{
    publish(subject: string, payload: string, options?: { reply: string }): void;
    subscribe(subject: string, options: { callback(error: Error | null, message: NatsMessage): void }): void;
    flush(): Promise<void>;
    close(): Promise<void>;
  }>;
}

const { natsUrl, answers } = readSettings<{ natsUrl: string; answers: boolean }>();
const { connect } = await importSameCopy<NatsModule>("@viable/bus-nats", "@nats-io/transport-node");
const nats = await connect({ servers: natsUrl });
const decoder = new TextDecoder();
const read = ({ data }: NatsMessage): Message => JSON.parse(decoder.decode(data));

const question = "limit.next";
const inbox = `limit.inbox.${process.pid}`;
const waiting = new Map<string, (answer: Message) => void>();
let nextToken = 0;

if (answers) {
  nats.subscribe(question, {
    callback: (_error, asked) => {
      const { n, text } = read(asked);
      nats.publish(asked.reply as string, JSON.stringify({ n: n + 1, text }));
    },
  });
} else {
  nats.subscribe(`${inbox}.*`, {
    callback: (_error, answer) => {
      const token = answer.subject.slice(inbox.length + 1);
      const resolve = waiting.get(token);
      waiting.delete(token);
      resolve?.(read(answer));
    },
  });
}
await nats.flush();
process.once("SIGTERM", async () => {
  await nats.close();
  process.exit();
});

const ask = (message: Message): Promise<Message> =>
  new Promise((resolve) => {
    const token = String(nextToken++);
    waiting.set(token, resolve);
    nats.publish(question, JSON.stringify(message), { reply: `${inbox}.${token}` });
  });

answerParent({
  ready: () => true,
  ask: ({ load }: { load: CallLoad }) => driveCalls(load, ask),
  ...watchProcess(),
});
