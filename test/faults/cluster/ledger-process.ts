import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { LedgerSettings } from "./effect-ledger.ts";

/** Starts the world outside, which outlives all others. */
export async function startLedger(settings: LedgerSettings): Promise<AsyncDisposable> {
  const module = fileURLToPath(new URL("./effect-ledger.ts", import.meta.url));
  const child = spawn(process.execPath, ["--conditions=viable-source", module, JSON.stringify(settings)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const orphan = () => child.kill("SIGKILL");
  process.once("exit", orphan);
  const ended = once(child, "exit").then(([code]) => {
    process.off("exit", orphan);
    return code as number | null;
  });
  const opened = once(child.stdout, "data").then(() => "open" as const);
  if ((await Promise.race([opened, ended])) !== "open") throw new Error("The ledger ended before it was open.");
  return {
    async [Symbol.asyncDispose]() {
      child.stdin.write("stop\n");
      await ended;
    },
  };
}
