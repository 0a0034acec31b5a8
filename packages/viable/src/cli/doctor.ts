import { accessSync, constants, existsSync, readdirSync, statfsSync, statSync } from "node:fs";
import { createServer, connect as openSocket } from "node:net";
import { dirname } from "node:path";
import type { SwarmView } from "@viable/protocol";
import type { Command } from "commander";
import { configFileName, findConfig, loadConfig } from "../config-file.ts";
import type { SystemDefinition } from "../define-system.ts";
import type { Settings } from "../settings.ts";
import { readSettings, serviceHost } from "../settings.ts";
import type { StateDirectory } from "../state-directory.ts";
import { stateDirectory } from "../state-directory.ts";
import { exitStatus } from "./exit-status.ts";
import type { GatewayOptions } from "./gateway.ts";
import { addGatewayOptions, connect, isAlive } from "./gateway.ts";
import type { OutputOptions } from "./output.ts";
import { addOutputOption, printData } from "./output.ts";
import type { Paint } from "./paint.ts";
import { paint } from "./paint.ts";
import { toPlainLine } from "./plain-text.ts";
import type { Shell } from "./shell.ts";
import { configOf } from "./start.ts";

/** One thing that was looked at, and what to do where it is not as it should be. */
export interface Finding {
  readonly check: string;
  readonly level: "ok" | "warn" | "fail";
  readonly detail: string;
  readonly next?: string;
}

const neededMajor = 24;
const mebibyte = 1024 * 1024;
/** Below the first a start is likely to fail, below the second it is time to make room. */
const minFreeBytes = 100 * mebibyte;
const fewFreeBytes = 1024 * mebibyte;
/** How long a database server may take to accept a connection, in milliseconds. */
const connectMs = 3_000;

/** `viable doctor`: what keeps this system from running here, and what to do about it. */
export function addDoctor(program: Command, shell: Shell): void {
  const command = program
    .command("doctor")
    .description("check this machine and this system; ends with 1 if something must be mended")
    .addHelpText("after", "\nExample:\n  $ viable doctor --config ./viable.config.ts");
  addGatewayOptions(command);
  addOutputOption(command).action(async (options: GatewayOptions & OutputOptions) => {
    const findings = await examine(shell, options);
    printData(shell, options.output, { findings }, () => findings.map((each) => renderFinding(shell, each)).join(""));
    if (findings.some(({ level }) => level === "fail")) shell.exitStatus = exitStatus.failed;
  });
}

async function examine(shell: Shell, options: GatewayOptions): Promise<Finding[]> {
  const findings: Finding[] = [checkNode(process.versions.node)];
  const loaded = await checkConfig(shell, options);
  findings.push(loaded.finding);
  const gateway = await checkGateway(shell, options);
  if (loaded.settings !== undefined) {
    const { definition, settings } = loaded;
    const state = stateDirectory(settings.stateDir);
    findings.push(checkState(state), await checkSecret(settings), checkDisk(settings.stateDir));
    findings.push(await checkDatabase(shell, settings, state));
    findings.push(...(await checkPorts(definition, settings, gateway.swarms, gateway.url)));
  }
  return [...findings, ...gateway.findings];
}

/** The running Node, by its version. */
export function checkNode(version: string): Finding {
  return Number.parseInt(version, 10) >= neededMajor
    ? { check: "node", level: "ok", detail: `Node ${version}` }
    : {
        check: "node",
        level: "fail",
        detail: `Node ${version}`,
        next: `Install Node ${neededMajor} or later.`,
      };
}

async function checkConfig(
  shell: Shell,
  options: GatewayOptions,
): Promise<
  | { finding: Finding; definition: SystemDefinition; settings: Settings }
  | { finding: Finding; settings?: undefined; definition?: undefined }
> {
  try {
    const file = configOf(shell, options.config);
    const definition = await loadConfig(file);
    const settings = readSettings(definition, file, shell.environment);
    const detail = `${file}: ${definition.name}, ${definition.services.length} services`;
    return { finding: { check: "config", level: "ok", detail }, definition, settings };
  } catch (error) {
    // Whoever only names a gateway needs no config here.
    const needed = options.url === undefined || options.config !== undefined || findConfig(shell.cwd) !== undefined;
    const next = needed ? `Mend it, and try \`viable config check\`; or name another ${configFileName}.` : undefined;
    return { finding: { ...failure("config", error, next), level: needed ? "fail" : "warn" } };
  }
}

/** The state folder: there or to be made, writable, and closed to others, since it holds the key to everything. */
function checkState(state: StateDirectory): Finding {
  const check = "state";
  const existing = nearestExisting(state.path);
  try {
    accessSync(existing, constants.W_OK | constants.X_OK);
  } catch (error) {
    return failure(check, error, "Make the folder writable, or name another with VIABLE_STATE_DIR.");
  }
  if (existing !== state.path) return { check, level: "ok", detail: `${state.path} will be made by the first start` };
  const mode = statSync(state.path).mode & 0o777;
  const detail = `${state.path}, mode ${mode.toString(8).padStart(4, "0")}`;
  return process.platform === "win32" || (mode & 0o077) === 0
    ? { check, level: "ok", detail }
    : { check, level: "warn", detail, next: `Others can look into it: chmod 700 ${state.path} (a start does it too).` };
}

/** Where the secret is that tokens and credentials stand on. Whether it is the system's own shows at start. */
async function checkSecret(settings: Settings): Promise<Finding> {
  const check = "secret";
  try {
    const { secretFile, secretSource } = await import("../secret-source.ts");
    const isThere = secretSource(settings).read() !== undefined;
    if (settings.secretKey !== undefined) return { check, level: "ok", detail: "given by VIABLE_SECRET_KEY" };
    const file = secretFile(settings.stateDir);
    if (isThere) return { check, level: "ok", detail: `${file}; keep a copy where no backup of the database is` };
    if (settings.databaseUrl === undefined)
      return { check, level: "ok", detail: `${file} will be made by the first start` };
    const next = "Give all processes of the system the same VIABLE_SECRET_KEY, all at once.";
    return { check, level: "warn", detail: "none: who reads the database can make tokens", next };
  } catch (error) {
    return failure(check, error, "Put the system's own secret back.");
  }
}

function checkDisk(stateDir: string): Finding {
  const check = "disk";
  try {
    const { bavail, bsize } = statfsSync(nearestExisting(stateDir));
    const freeBytes = bavail * bsize;
    const detail = `${Math.round(freeBytes / mebibyte)} MiB free for the state`;
    const next = "Make room on the disk that holds the state, or name another folder with VIABLE_STATE_DIR.";
    if (freeBytes < minFreeBytes) return { check, level: "fail", detail, next };
    return freeBytes < fewFreeBytes ? { check, level: "warn", detail, next } : { check, level: "ok", detail };
  } catch (error) {
    return failure(check, error, "Look whether the disk is there.");
  }
}

async function checkDatabase(shell: Shell, settings: Settings, state: StateDirectory): Promise<Finding> {
  const check = "database";
  if (settings.databaseUrl !== undefined) return await checkServer(shell, settings.databaseUrl);
  const owner = findOwner(state.database);
  if (owner === undefined) return { check, level: "ok", detail: "embedded, and free to be opened" };
  const ours = state.readGateway()?.pid === owner;
  return ours
    ? { check, level: "ok", detail: `embedded, open in the running system (process ${owner})` }
    : {
        check,
        level: "warn",
        detail: `embedded, in use by process ${owner}, which has no open gateway`,
        next: `It may be starting or stopping. Otherwise stop process ${owner}.`,
      };
}

/** The living process that has claimed the embedded database: beside it lies a file for each claim, named after its process. */
function findOwner(database: string): number | undefined {
  const claims = `${database}.lock`;
  if (!existsSync(claims)) return undefined;
  return readdirSync(claims)
    .map((name) => Number.parseInt(name, 10))
    .find((pid) => pid > 0 && isAlive(pid));
}

async function checkServer(shell: Shell, databaseUrl: string): Promise<Finding> {
  const check = "database";
  const url = URL.parse(databaseUrl);
  if (url === null) {
    return { check, level: "fail", detail: "DATABASE_URL is no address", next: "Write postgres://USER@HOST/DATABASE." };
  }
  const address = { host: url.hostname || "localhost", port: Number(url.port || 5432) };
  const where = `${address.host}:${address.port}`;
  const problem = await new Promise<string | undefined>((resolve) => {
    const socket = openSocket(address, () => end(undefined));
    const timer = shell.runtime.clock.setTimer(() => end(`no answer within ${connectMs / 1_000} s`), connectMs);
    socket.on("error", (error) => end(error.message));
    function end(result: string | undefined) {
      timer.cancel();
      socket.destroy();
      resolve(result);
    }
  });
  return problem === undefined
    ? { check, level: "ok", detail: `something listens at ${where}; whether it lets us in shows at start` }
    : {
        check,
        level: "fail",
        detail: `nobody listens at ${where}: ${problem}`,
        next: "Start the PostgreSQL server, or take DATABASE_URL away for the embedded database.",
      };
}

/** Each declared port is free, or held by this very system. */
async function checkPorts(
  definition: SystemDefinition,
  settings: Settings,
  swarms: readonly SwarmView[],
  gatewayUrl: string | undefined,
): Promise<Finding[]> {
  const held = new Map(
    [gatewayUrl, ...swarms.map((swarm) => swarm.healthUrl)].flatMap((url) =>
      url === undefined ? [] : [[Number(URL.parse(url)?.port), true]],
    ),
  );
  const wanted = [
    { name: "gateway", host: settings.host, port: settings.port },
    ...(settings.servicePorts === "any"
      ? []
      : definition.services.map(({ name, port }) => ({ name, host: serviceHost, port }))),
  ];
  return await Promise.all(
    wanted.map(async ({ name, host, port }): Promise<Finding> => {
      const check = `port of ${name}`;
      if (port === 0) return { check, level: "ok", detail: "any free one" };
      const problem = await tryListening(host, port);
      if (problem === undefined) return { check, level: "ok", detail: `${port} is free` };
      if (held.has(port)) return { check, level: "ok", detail: `${port} is held by the running system` };
      return {
        check,
        level: "fail",
        detail: `${port} on ${host}: ${problem}`,
        next: "Stop what listens there, or declare another port.",
      };
    }),
  );
}

function tryListening(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error) => resolve(error.message));
    server.listen(port, host, () => server.close(() => resolve(undefined)));
  });
}

async function checkGateway(
  shell: Shell,
  options: GatewayOptions,
): Promise<{ findings: Finding[]; swarms: readonly SwarmView[]; url: string | undefined }> {
  const check = "gateway";
  let client: ReturnType<typeof connect>;
  try {
    client = connect(shell, options);
  } catch (error) {
    const finding = failure(check, error, undefined);
    return {
      findings: [{ ...finding, level: "warn", detail: `not asked: ${finding.detail}` }],
      swarms: [],
      url: undefined,
    };
  }
  const { url } = client;
  try {
    const health = await client.health();
    const detail = `${url}: ${health.system} is ${health.status}`;
    const level = health.status === "ok" ? "ok" : "warn";
    const gateway: Finding = { check, level, detail, ...(level === "warn" && { next: "See `viable health`." }) };
    const credentials = await client.swarms().then(
      ({ swarms }) => ({ finding: { check: "credentials", level: "ok", detail: "accepted" } as const, swarms }),
      (error) => ({
        finding: failure(
          "credentials",
          error,
          "Set VIABLE_TOKEN, or read credentials.json of the system's state folder.",
        ),
        swarms: [],
      }),
    );
    return { findings: [gateway, credentials.finding], swarms: credentials.swarms, url };
  } catch (error) {
    return { findings: [failure(check, error, "Start the system, or give the right address.")], swarms: [], url };
  }
}

function failure(check: string, error: unknown, next: string | undefined): Finding {
  const detail = error instanceof Error ? error.message : String(error);
  return { check, level: "fail", detail, ...(next !== undefined && { next }) };
}

function nearestExisting(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestExisting(dirname(path));
}

const styles: Readonly<Record<Finding["level"], Paint>> = { ok: "green", warn: "yellow", fail: "red" };

function renderFinding(shell: Shell, { check, level, detail, next }: Finding): string {
  const line = `${paint(shell.out, styles[level], level.padEnd(4))}  ${check}: ${toPlainLine(detail)}\n`;
  return next === undefined ? line : `${line}      ${toPlainLine(next)}\n`;
}
