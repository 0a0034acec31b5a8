import type { RemoteInfo } from "node:dgram";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { AddressInfo } from "node:net";

/** A name server that answers as its owner likes: to each question for an address of a name the next of its list, which then begins anew. */
export interface NameServer extends AsyncDisposable {
  readonly address: string;
  /** Names that were asked for, in order. */
  readonly asked: readonly string[];
}

const aRecord = 1;

export async function startNameServer(answers: Readonly<Record<string, readonly string[]>>): Promise<NameServer> {
  const socket = createSocket("udp4");
  const asked: string[] = [];
  socket.on("message", (question: Buffer, from: RemoteInfo) => {
    const labels: string[] = [];
    let at = 12;
    for (let length = question[at] ?? 0; length > 0; length = question[at] ?? 0) {
      labels.push(question.toString("latin1", at + 1, at + 1 + length));
      at += length + 1;
    }
    const name = labels.join(".");
    const isForV4 = question.readUInt16BE(at + 1) === aRecord;
    const list = answers[name];
    const address =
      isForV4 && list !== undefined ? list[asked.filter((each) => each === name).length % list.length] : undefined;
    if (isForV4) asked.push(name);
    const head = Buffer.alloc(12);
    question.copy(head, 0, 0, 2);
    // An answer, with as much of it as there is; no such name where there is none.
    head.writeUInt16BE(list === undefined ? 0x8183 : 0x8180, 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(address === undefined ? 0 : 1, 6);
    const asking = question.subarray(12, at + 5);
    const record =
      address === undefined
        ? Buffer.alloc(0)
        : // The name that was asked for, an address, of the internet, to be remembered for no second, of four bytes.
          Buffer.from([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, ...address.split(".").map(Number)]);
    socket.send(Buffer.concat([head, asking, record]), from.port, from.address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return {
    address: `127.0.0.1:${(socket.address() as AddressInfo).port}`,
    asked,
    async [Symbol.asyncDispose]() {
      socket.close();
      await once(socket, "close");
    },
  };
}
