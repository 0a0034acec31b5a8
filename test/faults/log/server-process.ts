import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import type { PostgresServer } from "@viable/log-postgres/testing";

/**
 * How long a server may take to recover and to take connections, or to be gone, in milliseconds. It is counted in looks, so that a machine which
 * stands still for a minute has not waited for it.
 */
const maxWaitMs = 60_000;

/** How much of what a server says is kept to be shown: the beginning tells whether and why it recovers. */
const maxSaidChars = 20_000;

/**
 * How a server dies: `kill`, SIGKILL of the postmaster and all its processes at once; `immediate`, as `pg_ctl stop -m immediate` does;
 * `backend`, SIGKILL of one process that serves a connection, after which the postmaster throws all others out and recovers by itself.
 */
export type ServerDeath = "kill" | "immediate" | "backend";

/** What was started, so that it can be started again, also on a copy of its directory. */
interface Command {
  readonly binary: string;
  readonly args: readonly string[];
  readonly uid: number;
  readonly gid: number;
}

/**
 * The processes of a test's own PostgreSQL server, to be killed and started again on the same directory and port. What was
 * started is read from /proc: the server is the one that all other tests use, by the same command.
 */
export class ServerProcess implements AsyncDisposable {
  readonly #command: Command;
  readonly dataDir: string;
  readonly port: number;
  #pid: number;
  #child: ChildProcess | undefined;
  /** What the server said since it was last started here. */
  #said = "";
  /** How often a start had to recover from a crash. */
  recoveries = 0;

  private constructor(command: Command, dataDir: string, port: number, pid: number) {
    this.#command = command;
    this.dataDir = dataDir;
    this.port = port;
    this.#pid = pid;
  }

  static async of(server: PostgresServer): Promise<ServerProcess> {
    const [row] = await server.query(
      "SELECT current_setting('data_directory') AS directory, current_setting('port') AS port",
    );
    const dataDir = String(row?.directory);
    const pid = readPostmaster(dataDir);
    const args = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").slice(1, -1);
    const { uid, gid } = statSync(dataDir);
    const command = { binary: readlinkSync(`/proc/${pid}/exe`), args, uid, gid };
    return new ServerProcess(command, dataDir, Number(row?.port), pid);
  }

  /** All its processes, the postmaster first. */
  get pids(): readonly number[] {
    return [this.#pid, ...childrenOf(this.#pid)];
  }

  /** Whether the postmaster runs. */
  get isThere(): boolean {
    return !hasEnded(this.#pid);
  }

  /** Kills it and answers when it is gone; after `backend`, when one of its processes is. */
  async die(how: ServerDeath, backend: number | undefined): Promise<void> {
    if (how === "backend") {
      if (backend === undefined) throw new Error("No connection was at work when one was to be killed.");
      const served = childrenOf(this.#pid);
      process.kill(backend, "SIGKILL");
      // The postmaster ends all the others before it recovers.
      await until(() => served.every(hasEnded), "The server's processes did not end.");
      return;
    }
    // Held first, so that it starts no more processes while they are counted.
    process.kill(this.#pid, "SIGSTOP");
    const all = this.pids;
    if (how === "kill") for (const pid of all.toReversed()) signalIfThere(pid, "SIGKILL");
    else {
      process.kill(this.#pid, "SIGQUIT");
      process.kill(this.#pid, "SIGCONT");
    }
    // The next server looks whether the postmaster that its directory names is there.
    await until(() => all.every(hasEnded) && isForgotten(this.#pid), "The server did not end.");
  }

  /** Starts it again where it was. */
  async restart(): Promise<void> {
    await this.#start(this.#command.args);
  }

  /** Another server by the same command, on a copy of the directory. Throws where it does not come up. */
  async startOn(dataDir: string, port: number): Promise<ServerProcess> {
    const other = new ServerProcess(this.#command, dataDir, port, 0);
    const args = [...this.#command.args];
    args[args.indexOf("-D") + 1] = dataDir;
    args[args.indexOf("-p") + 1] = String(port);
    await other.#start(args);
    return other;
  }

  async #start(args: readonly string[]): Promise<void> {
    const isRoot = process.getuid?.() === 0;
    const child = spawn(this.#command.binary, args, {
      ...(isRoot && { uid: this.#command.uid, gid: this.#command.gid }),
      cwd: "/",
      stdio: ["ignore", "ignore", "pipe"],
    });
    this.#child = child;
    this.#pid = child.pid as number;
    this.#said = "";
    const orphaned = () => child.kill("SIGQUIT");
    process.once("exit", orphaned);
    child.once("exit", () => process.off("exit", orphaned));
    let isUp = false;
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      if (this.#said.length < maxSaidChars) this.#said += text;
      isUp ||= text.includes("ready to accept connections");
    });
    for (let waitedMs = 0; !isUp; waitedMs += 10) {
      if (child.exitCode !== null || child.signalCode !== null || waitedMs > maxWaitMs) {
        child.kill("SIGKILL");
        throw new Error(`PostgreSQL did not come up on ${this.dataDir}.\n${this.#said}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    if (/not properly shut down|was interrupted/.test(this.#said)) this.recoveries += 1;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGINT");
    await exited;
  }
}

const readPostmaster = (dataDir: string): number =>
  Number(readFileSync(join(dataDir, "postmaster.pid"), "utf8").split("\n")[0]);

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function signalIfThere(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** The state of a process as /proc shows it: R, S, D, T, Z …; undefined where there is none. */
export function stateOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2)[0];
  } catch {
    return undefined;
  }
}

const hasEnded = (pid: number): boolean => [undefined, "Z", "X"].includes(stateOf(pid));
/** Ended and taken note of by its parent. Until then whoever asks for it by its number is told that it is there. */
const isForgotten = (pid: number): boolean => stateOf(pid) === undefined;

async function until(holds: () => boolean, otherwise: string): Promise<void> {
  for (let waitedMs = 0; !holds(); waitedMs += 2) {
    if (waitedMs > maxWaitMs) throw new Error(otherwise);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
