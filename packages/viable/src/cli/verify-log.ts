import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Client } from "@viable/client";
import { ViableError } from "@viable/kernel";
import type { PublicKey, Seal } from "@viable/security";
import { hashOfSeal, readPublicKey, readPublicKeys, readSealFile, sizeOfSealFile } from "@viable/security";
import { z } from "zod";
import { findConfig, loadConfig } from "../config-file.ts";
import { readSettings } from "../settings.ts";
import { stateDirectory } from "../state-directory.ts";
import type { VerifiedLog } from "../verify-events.ts";
import { verifyBackup, verifyDatabase, verifyTimeoutMs } from "../verify-events.ts";
import { version as release } from "../version.ts";
import { printOutcome } from "./exec.ts";
import { exitStatus, interrupted, wrongUsage } from "./exit-status.ts";
import type { GatewayOptions } from "./gateway.ts";
import { findRunning } from "./gateway.ts";
import type { OutputOptions } from "./output.ts";
import { printData } from "./output.ts";
import { paint } from "./paint.ts";
import { toPlainLine } from "./plain-text.ts";
import { createProgressDisplay } from "./progress-display.ts";
import { runCommand } from "./run-command.ts";
import type { Shell } from "./shell.ts";
import { configOf } from "./start.ts";
import { renderPairs, renderTable } from "./table.ts";

export interface VerifyOptions extends GatewayOptions, OutputOptions {
  readonly backup?: string;
  readonly seals?: string;
  readonly publicKey?: readonly string[];
}

const finding = z.object({
  position: z.string().optional(),
  // A later release may tell more kinds apart.
  kind: z.string(),
  seal: z.number().optional(),
  detail: z.string(),
});
/** A verdict as it is shown here. That of a running system may be another release's: what it says besides is handed on. */
const verdictSchema = z.object({
  sound: z.boolean(),
  first: finding.optional(),
  findings: z.array(finding).readonly(),
  head: z.string(),
  events: z.number(),
  seals: z.number(),
  sealedTo: z.string(),
  sealedAt: z.number().optional(),
  unsealed: z.number(),
  outside: z.number(),
  sealsFile: z.string().optional(),
  proven: z.array(z.string()).readonly(),
  notProven: z.array(z.string()).readonly(),
});
type Verdict = Readonly<z.infer<typeof verdictSchema>>;

/** The verdict that a running system gave. Throws `cli.unknown_answer`. */
export function readVerdict(answer: unknown): Verdict {
  const judged = verdictSchema.safeParse(answer);
  if (judged.success) return answer as Verdict;
  const issue = judged.error.issues[0];
  throw new ViableError(
    "cli.unknown_answer",
    `The system's verdict is none that this command line, of release ${release}, can read: ${issue?.path.join(".")}: ${issue?.message}`,
    { next: "Use the command line of the system's own release, or verify a backup." },
  );
}

/** Holds a log against its seals: that of a backup, of a running system by its own command, or in the database of one that does not run. Prints the verdict. */
export async function verifyLog(shell: Shell, options: VerifyOptions): Promise<void> {
  for (const file of [options.backup, options.seals, ...(options.publicKey ?? [])])
    if (file !== undefined && !existsSync(resolve(shell.cwd, file)))
      throw wrongUsage(`There is no file ${resolve(shell.cwd, file)}.`, "Check the path.");
  if (options.backup !== undefined) {
    print(shell, options, await verifyStopped(shell, options, resolve(shell.cwd, options.backup)));
    return;
  }
  const client = findRunning(shell, options);
  if (client === undefined) print(shell, options, await verifyStopped(shell, options, undefined));
  else await verifyRunning(shell, client, options);
}

async function verifyRunning(shell: Shell, client: Client, options: VerifyOptions): Promise<void> {
  const publicKeys = (options.publicKey ?? []).map((file) => {
    // Read as a key, so that no other file's text leaves this machine.
    readPublicKey(resolve(shell.cwd, file));
    return readFileSync(resolve(shell.cwd, file), "utf8");
  });
  const last = options.seals === undefined ? undefined : await readLastSeal(resolve(shell.cwd, options.seals));
  const display = createProgressDisplay(shell.err, shell.runtime.clock);
  shell.whenUnread = "interrupt";
  const view = await runCommand(shell, client, {
    command: "events.verify",
    args: { publicKeys, ...(last !== undefined && { expected: { number: last.number, hash: hashOfSeal(last) } }) },
    timeoutMs: verifyTimeoutMs,
    onEvent: display.show,
  }).finally(() => display.end());
  if (view.status !== "completed") return printOutcome(shell, options, view);
  const verified = readVerdict(view.result);
  print(shell, options, verified);
  if (last !== undefined && verified.first?.position === undefined && !verified.sound)
    shell.err.write(
      "To have the first event named, verify a backup: viable events verify --backup FILE --seals FILE\n",
    );
}

/** Its chain is checked on the way: the last stands for all. */
async function readLastSeal(path: string): Promise<Seal> {
  let last: Seal | undefined;
  for await (const seal of readSealFile(path, (await sizeOfSealFile(path)) ?? 0)) last = seal;
  if (last === undefined) throw wrongUsage(`${path} has no seal.`, "Name the file of seals that was kept.");
  return last;
}

/** A backup, or the database of a system that does not run. */
async function verifyStopped(shell: Shell, options: VerifyOptions, backup: string | undefined): Promise<VerifiedLog> {
  const place = await findPlace(shell, options, backup !== undefined);
  const keys = place === undefined ? new Map<string, PublicKey>() : readPublicKeys(place.state.path);
  for (const file of options.publicKey ?? []) {
    const key = readPublicKey(resolve(shell.cwd, file));
    keys.set(key.id, key);
  }
  const sealsFile =
    options.seals === undefined ? (place?.settings.sealsFile ?? place?.state.seals) : resolve(shell.cwd, options.seals);
  const signal = shell.catchInterrupt();
  const settings = { keys, sealsFile, signal };
  try {
    if (backup !== undefined) return await verifyBackup(backup, settings);
    if (place === undefined) throw wrongUsage("There is no system here.", "Name its config with --config.");
    if (place.settings.databaseUrl === undefined && !existsSync(place.state.database))
      throw wrongUsage(`There is no database in ${place.state.path}.`, "Name the system's config with --config.");
    // Here and not above: to ask a running system no database is loaded.
    const { openStore } = await import("../open-system.ts");
    const store = openStore(place.settings, place.state);
    await store.open();
    try {
      return await verifyDatabase(store, settings);
    } finally {
      await store.close();
    }
  } catch (error) {
    throw signal.aborted ? interrupted("Interrupted; nothing was found out.") : error;
  }
}

/** Where the system's state is. Of a backup alone none is needed, where the keys are named. */
async function findPlace(shell: Shell, options: VerifyOptions, isBackup: boolean) {
  if (isBackup && options.config === undefined && findConfig(shell.cwd) === undefined) return undefined;
  const config = configOf(shell, options.config);
  const settings = readSettings(await loadConfig(config), config, shell.environment);
  return { settings, state: stateDirectory(settings.stateDir) };
}

function print(shell: Shell, options: OutputOptions, verified: Verdict): void {
  printData(shell, options.output, verified, () => render(shell, verified));
  if (!verified.sound) shell.exitStatus = exitStatus.failed;
}

function render(shell: Shell, verified: Verdict): string {
  const { sound, first, findings, head, events, seals, sealedTo, sealedAt, unsealed, outside, sealsFile } = verified;
  const place = first?.position === undefined ? "" : ` at position ${first.position}`;
  const by = first?.seal === undefined ? "" : ` (seal ${first.seal})`;
  return [
    sound
      ? `${paint(shell.out, "green", "sound")}: nothing was found that is not as it was sealed\n\n`
      : `${paint(shell.out, "red", "tampered")}${place}: ${first?.kind}${by}: ${toPlainLine(first?.detail ?? "")}\n\n`,
    renderPairs(shell.out, [
      ["log", `up to position ${head}, of which ${events} were read`],
      ["seals", seals === 0 ? "none" : `${seals}, proving up to position ${sealedTo}${timeOf(sealedAt)}`],
      ["unsealed", String(unsealed)],
      ["outside", sealsFile === undefined ? "no seals from outside the database" : `${outside} seals of ${sealsFile}`],
    ]),
    ...(findings.length < 2
      ? []
      : [
          "\n",
          renderTable(
            shell.out,
            ["POSITION", "WHAT", "SEAL", "DETAIL"],
            findings.map((each) => [
              each.position ?? "",
              each.kind,
              each.seal === undefined ? "" : String(each.seal),
              toPlainLine(each.detail),
            ]),
          ),
        ]),
    listOf("Proven", verified.proven),
    listOf("Not proven", verified.notProven),
  ].join("");
}

const timeOf = (at: number | undefined): string => (at === undefined ? "" : `, made ${new Date(at).toISOString()}`);

const listOf = (title: string, lines: readonly string[]): string =>
  lines.length === 0 ? "" : `\n${title}:\n${lines.map((line) => `  - ${toPlainLine(line)}\n`).join("")}`;
