import type { Socket } from "node:net";
import { createConnection } from "node:net";
import type { EffectAnswer, EffectRequest } from "./ledger-lines.ts";

interface Line {
  readonly socket: Socket;
  readonly waiting: Map<string, ((receipt: number) => void)[]>;
}

/** One connection for each thread that has agents: the ledger is there for as long as the test. */
let line: Line | undefined;

/** Has the effect done outside, once under its key, and answers the number of the arrival that counts. */
export function makeEffect(request: EffectRequest): Promise<number> {
  line ??= connect(process.env.EFFECT_LEDGER as string);
  const { socket, waiting } = line;
  return new Promise((resolve) => {
    waiting.set(request.key, [...(waiting.get(request.key) ?? []), resolve]);
    socket.write(`${JSON.stringify(request)}\n`);
  });
}

function connect(path: string): Line {
  const socket = createConnection(path).unref();
  const waiting: Line["waiting"] = new Map();
  let unfinished = "";
  socket.setEncoding("utf8").on("data", (text: string) => {
    const lines = (unfinished + text).split("\n");
    unfinished = lines.pop() as string;
    for (const each of lines) {
      const { key, receipt } = JSON.parse(each) as EffectAnswer;
      waiting.get(key)?.shift()?.(receipt);
    }
  });
  return { socket, waiting };
}
