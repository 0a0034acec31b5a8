// The subject `bullmq`: a process that adds jobs and waits for their results, or one that does them.
import { answerParent, readSettings } from "../harness/child.ts";
import { loadPeer } from "../harness/load-peer.ts";
import { watchProcess } from "../harness/watch-process.ts";
import type { CallLoad } from "./call-load.ts";
import { driveCalls } from "./call-load.ts";
import type { Message } from "./message.ts";

interface Closable {
  close(): Promise<void>;
}
interface Job {
  readonly data: Message;
  waitUntilFinished(events: Closable): Promise<Message>;
}
interface Queue extends Closable {
  add(name: string, data: Message): Promise<Job>;
  getJobCounts(...types: string[]): Promise<Record<string, number>>;
}
interface BullMq {
  readonly Queue: new (name: string, options: object) => Queue;
  readonly QueueEvents: new (name: string, options: object) => Closable & { waitUntilReady(): Promise<unknown> };
  readonly Worker: new (
    name: string,
    work: (job: Job) => Promise<Message>,
    options: object,
  ) => Closable & { waitUntilReady(): Promise<unknown> };
}

const { port, answers } = readSettings<{ port: number; answers: boolean }>();
const { Queue, QueueEvents, Worker } = loadPeer<BullMq>("bullmq");
const connection = { host: "127.0.0.1", port };
/** As many at a time as there are callers. */
const concurrency = 64;

const open: Closable[] = [];
let call = (_message: Message): Promise<Message> => Promise.reject(new Error("This process does jobs and adds none."));
let countCompleted = async (): Promise<number> => 0;
if (answers) {
  const worker = new Worker("next", async ({ data: { n, text } }) => ({ n: n + 1, text }), { connection, concurrency });
  await worker.waitUntilReady();
  open.push(worker);
} else {
  const queue = new Queue("next", { connection });
  const events = new QueueEvents("next", { connection });
  await events.waitUntilReady();
  open.push(events, queue);
  call = async (message) => (await queue.add("next", message)).waitUntilFinished(events);
  countCompleted = async () => (await queue.getJobCounts("completed")).completed ?? 0;
}
process.once("SIGTERM", async () => {
  for (const each of open) await each.close();
  process.exit();
});

answerParent({
  ready: () => true,
  do: ({ load }: { load: CallLoad }) => driveCalls(load, call),
  countCompleted: () => countCompleted(),
  ...watchProcess(),
});
