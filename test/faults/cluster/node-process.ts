import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { viableCommand } from "../../e2e/cli.ts";
import type { Host } from "./host-network.ts";

const config = fileURLToPath(new URL("./thirteen/viable.config.ts", import.meta.url));
const root = fileURLToPath(new URL("../../..", import.meta.url));

/** How long a process may take to be up, or to end when it was asked to, in milliseconds: the machine may be busy. */
const maxWaitMs = 60_000;
/** How much of what a process says is kept, in characters. */
const maxSaidChars = 200_000;

export interface NodeSettings {
  readonly host: Host;
  readonly role: "gateway" | "swarm";
  readonly databaseUrl: string;
  /** NATS servers, where they are to hear each other by them. */
  readonly natsUrl?: string | undefined;
  readonly ledgerPath: string;
  /** Its own folder: state that it keeps from one life to the next. */
  readonly folder: string;
  /** The gateway's port. */
  readonly port: number;
  /** By how much its clock is wrong, in seconds, and to be set while it runs; undefined where it goes by the machine's. */
  readonly clockFile?: string | undefined;
}

/** Where Debian's package `libfaketime` has it. */
const fakeTime = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
export const hasFakeTime = (): boolean => existsSync(fakeTime);

/** Sets the clock of whoever was started with this file, a second later at most. */
export const setClock = (file: string, offSeconds: number): void =>
  writeFileSync(file, `${offSeconds < 0 ? "" : "+"}${offSeconds}\n`);

/** A process of the system, started by the documented command. */
export class NodeProcess {
  readonly host: Host;
  readonly #child: ChildProcess;
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  #said = "";

  private constructor(host: Host, child: ChildProcess) {
    this.host = host;
    this.#child = child;
    const { stdout, stderr } = child;
    for (const stream of [stdout, stderr])
      stream?.setEncoding("utf8").on("data", (text: string) => {
        if (this.#said.length < maxSaidChars) this.#said += text;
      });
    this.ended = once(child, "close").then(([code, signal]) => ({ code, signal }));
    const orphan = () => child.kill("SIGKILL");
    process.once("exit", orphan);
    void this.ended.then(() => process.off("exit", orphan));
  }

  /** Starts it and waits until it is up. */
  static async start(settings: NodeSettings): Promise<NodeProcess> {
    const { host, role, folder, clockFile } = settings;
    mkdirSync(folder, { recursive: true });
    const words = [process.execPath, viableCommand, "start", "--config", config, "--roles", role];
    const [command, ...args] = [...host.prefix, ...words] as [string, ...string[]];
    const child = spawn(command, args, {
      cwd: folder,
      env: {
        PATH: process.env.PATH,
        HOME: folder,
        XDG_CACHE_HOME: join(root, ".cache", "tests"),
        DATABASE_URL: settings.databaseUrl,
        ...(settings.natsUrl !== undefined && { NATS_URL: settings.natsUrl }),
        EFFECT_LEDGER: settings.ledgerPath,
        VIABLE_HOST: host.address,
        VIABLE_PORT: String(settings.port),
        // On hosts of their own they have the ports that the config names; on one machine they cannot.
        VIABLE_SERVICE_PORTS: host.prefix.length > 0 ? "declared" : "any",
        VIABLE_STATE_DIR: join(folder, ".viable"),
        VIABLE_THREADS: "1",
        ...(clockFile !== undefined && {
          LD_PRELOAD: fakeTime,
          FAKETIME_TIMESTAMP_FILE: clockFile,
          FAKETIME_CACHE_DURATION: "1",
          FAKETIME_DONT_FAKE_MONOTONIC: "1",
        }),
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const node = new NodeProcess(host, child);
    try {
      await node.saw("durability");
    } catch (error) {
      child.kill("SIGKILL");
      throw error;
    }
    return node;
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  get said(): string {
    return this.#said;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.ended;
  }

  /** Waits until it has said something so many times in all. */
  async saw(text: string, times = 1): Promise<void> {
    for (const giveUpAt = Date.now() + maxWaitMs; this.#said.split(text).length <= times; ) {
      if (this.hasEnded || Date.now() > giveUpAt)
        throw new Error(`${this.host.name} did not say "${text}" ${times} times. ${this.#said.slice(-5_000)}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Asks it to leave, and answers with what status it did. */
  async leave(): Promise<number | null> {
    this.signal("SIGTERM");
    const late = setTimeout(() => this.signal("SIGKILL"), maxWaitMs);
    const { code } = await this.ended;
    clearTimeout(late);
    return code;
  }
}
