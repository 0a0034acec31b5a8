import type { ChildProcess } from "node:child_process";
import { fork } from "node:child_process";
import { once } from "node:events";

/** What a subject may be asked, each with an answer of its own. */
export type Question = { readonly ask: string; readonly [more: string]: unknown };

/** A process of a benchmark: a server that is measured, or what measures it. */
export interface Child extends AsyncDisposable {
  readonly pid: number;
  ask<Answer>(question: Question): Promise<Answer>;
}

/** How long a stop may take before the process is killed, in milliseconds: the system drains for up to twenty seconds. */
const stopMs = 25_000;

/** Starts a module as a process of its own and waits until it answers its first question, `{ ask: "ready" }`. */
export async function startChild(
  module: URL,
  settings: object,
  options: { readonly execArgv?: readonly string[] } = {},
): Promise<Child> {
  const child = fork(module, [JSON.stringify(settings)], {
    execArgv: [...process.execArgv, ...(options.execArgv ?? [])],
    serialization: "advanced",
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const exited = once(child, "exit");
  const self: Child = {
    pid: child.pid as number,
    ask: (question) => askChild(child, exited, question),
    async [Symbol.asyncDispose]() {
      process.off("exit", kill);
      if (child.exitCode !== null || child.signalCode !== null) return;
      child.kill("SIGTERM");
      const late = setTimeout(kill, stopMs);
      await exited;
      clearTimeout(late);
    },
  };
  await self.ask({ ask: "ready" });
  return self;
}

let nextId = 1;

async function askChild<Answer>(child: ChildProcess, exited: Promise<unknown>, question: Question): Promise<Answer> {
  const id = nextId++;
  let listener: (message: Reply) => void = () => {};
  const answered = new Promise<Answer>((resolve, reject) => {
    listener = (message) => {
      if (message.id !== id) return;
      if (message.error === undefined) resolve(message.answer as Answer);
      else reject(new Error(message.error));
    };
    child.on("message", listener as never);
  });
  child.send({ id, ...question });
  const died = exited.then(() => {
    throw new Error(
      `${child.spawnargs.find((arg) => arg.endsWith(".ts"))} ended before it answered "${question.ask}".`,
    );
  });
  try {
    return await Promise.race([answered, died]);
  } finally {
    child.off("message", listener as never);
  }
}

interface Reply {
  readonly id: number;
  readonly answer?: unknown;
  readonly error?: string;
}

/** Answers the parent's questions, in a child. Questions that come before it listens are kept by Node. */
export function answerParent(answers: { readonly [ask: string]: (question: never) => unknown }): void {
  process.on("message", async (question: Question & { id: number }) => {
    const reply: Reply = await Promise.resolve()
      .then(() => answers[question.ask]?.(question as never))
      .then(
        (answer) => ({ id: question.id, answer }),
        (error: unknown) => ({
          id: question.id,
          error: error instanceof Error ? (error.stack ?? error.message) : String(error),
        }),
      );
    process.send?.(reply);
  });
  // Whoever started us is gone, and nobody else will stop us.
  process.on("disconnect", () => process.exit());
}

/** The settings that the parent gave. */
export const readSettings = <Settings>(): Settings => JSON.parse(process.argv[2] as string) as Settings;
