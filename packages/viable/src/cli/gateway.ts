import { dirname, join, resolve } from "node:path";
import type { Client } from "@viable/client";
import { createClient } from "@viable/client";
import type { Clock } from "@viable/kernel";
import { codeOf, ViableError } from "@viable/kernel";
import type { Command } from "commander";
import { configFileName, findConfig } from "../config-file.ts";
import { readClientSettings } from "../settings.ts";
import type { StateDirectory } from "../state-directory.ts";
import { stateDirectory } from "../state-directory.ts";
import { wrongUsage } from "./exit-status.ts";
import { keptLogIns } from "./kept-log-ins.ts";
import type { Shell } from "./shell.ts";

export interface GatewayOptions {
  readonly url?: string;
  readonly config?: string;
}

/** A gateway's address and the token to show there. */
export interface GatewayAddress {
  readonly url: string;
  readonly token: string;
}

/** How long a gateway may take to answer a read, in milliseconds. */
const answerMs = 30_000;

/** Lets a verb be told which system it is about. */
export function addGatewayOptions(command: Command): Command {
  return command
    .option("--url <url>", "the gateway's address; else VIABLE_URL, else what runs beside the config")
    .option("--config <file>", `the config of the system meant; else the nearest ${configFileName}`);
}

/** A client of the gateway that the options, the environment or the state folder lead to. */
export function connect(shell: Shell, options: GatewayOptions): Client {
  return connectTo(shell, findGateway(shell, options));
}

/** The running system; undefined where none runs and none was named. */
export function findRunning(shell: Shell, options: GatewayOptions): Client | undefined {
  try {
    return connect(shell, options);
  } catch (error) {
    if (codeOf(error) === "cli.not_running") return undefined;
    throw error;
  }
}

/** A client of a known gateway. */
export function connectTo(shell: Shell, { url, token }: GatewayAddress): Client {
  return createClient({ url, token, fetch: boundedFetch(shell.runtime.clock), clock: shell.runtime.clock });
}

/**
 * Finds the gateway and its token. The token that lies in the state folder opens everything, so it is shown only to the
 * gateway that the same folder names, or to one on this machine.
 */
function findGateway(shell: Shell, options: GatewayOptions): GatewayAddress {
  const settings = readClientSettings(shell.environment);
  const given = options.url ?? settings.url;
  if (given !== undefined) {
    const url = checkUrl(given, options.url === undefined ? "VIABLE_URL" : "--url");
    const state = findState(shell, options);
    const mayShow = isLoopback(url) || (state !== undefined && state.readGateway()?.url === url);
    const logIn = keptLogIns(settings.logInsFile).read(url, shell.runtime.clock.now());
    const token = settings.token ?? logIn ?? (mayShow ? state?.readToken() : undefined) ?? "";
    return { url, token };
  }
  const state = findState(shell, options);
  if (state === undefined) {
    throw new ViableError("config.not_found", `There is no ${configFileName} in ${shell.cwd} or above it.`, {
      next: "Go to the system's folder, name its config with --config, or give the gateway's address with --url.",
    });
  }
  const running = state.readGateway();
  if (running === undefined || !isAlive(running.pid)) {
    const why =
      running === undefined ? `${state.path} names no gateway` : `process ${running.pid} is gone, and said no goodbye`;
    throw new ViableError("cli.not_running", `The system is not running: ${why}.`, {
      next: "Start it with `viable start`, or give another gateway's address with --url.",
    });
  }
  const logIn = keptLogIns(settings.logInsFile).read(running.url, shell.runtime.clock.now());
  return { url: running.url, token: settings.token ?? logIn ?? state.readToken() ?? "" };
}

/** The token that would be shown to the gateway, also where that does not run; undefined where there is none. */
export function findToken(shell: Shell, options: GatewayOptions): string | undefined {
  const settings = readClientSettings(shell.environment);
  const state = findState(shell, options);
  const url = options.url ?? settings.url ?? state?.readGateway()?.url;
  const now = shell.runtime.clock.now();
  const logIn = url === undefined ? undefined : keptLogIns(settings.logInsFile).read(url.replace(/\/+$/, ""), now);
  return settings.token ?? logIn ?? state?.readToken();
}

/** The state folder of the system meant; undefined where nothing leads to one. */
function findState(shell: Shell, options: GatewayOptions): StateDirectory | undefined {
  const { stateDir } = readClientSettings(shell.environment);
  if (stateDir !== undefined) return stateDirectory(resolve(shell.cwd, stateDir));
  const config = options.config === undefined ? findConfig(shell.cwd) : resolve(shell.cwd, options.config);
  return config === undefined ? undefined : stateDirectory(join(dirname(config), ".viable"));
}

/** Whether a process runs, whoever it belongs to. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function checkUrl(text: string, name: string): string {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:"))
    throw wrongUsage(`${name}: "${text}" is not an address.`, "Write it like http://127.0.0.1:4100.");
  return text.replace(/\/+$/, "");
}

function isLoopback(url: string): boolean {
  const host = URL.parse(url)?.hostname ?? "";
  return host === "localhost" || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host);
}

/** A fetch that does not wait for ever: for the whole answer, or for its beginning where it is a feed, which has no end. */
function boundedFetch(clock: Clock): typeof fetch {
  return async (input, init) => {
    const bound = new AbortController();
    const timer = clock.setTimer(
      () => bound.abort(new ViableError("client.unreachable", `There was no answer within ${answerMs / 1_000} s.`)),
      answerMs,
      { background: true },
    );
    const signal = init?.signal ? AbortSignal.any([init.signal, bound.signal]) : bound.signal;
    const response = await fetch(input, { ...init, signal }).catch((error) => {
      timer.cancel();
      throw error;
    });
    if (response.headers.get("content-type")?.startsWith("text/event-stream") === true) timer.cancel();
    return response;
  };
}
