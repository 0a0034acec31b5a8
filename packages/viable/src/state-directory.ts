import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ViableError } from "@viable/kernel";

/**
 * What the command line reads to find a system: written when its gateway answers, removed when it stops. Where several processes
 * share a folder, it names the one that started last.
 */
export interface GatewayFile {
  readonly url: string;
  readonly pid: number;
}

/** The folder that holds a system's state, for its owner's eyes only (mode 0700). */
export interface StateDirectory {
  readonly path: string;
  readonly database: string;
  /** Where backups of the database are written. */
  readonly backups: string;
  /** Where the seals of the log are kept besides it, unless settings name another disk. */
  readonly seals: string;
  /** Makes the folder where it is missing. Throws `state.not_writable`. */
  prepare(): void;
  readToken(): string | undefined;
  writeToken(token: string): void;
  readGateway(): GatewayFile | undefined;
  writeGateway(file: GatewayFile): void;
  /** Removes the file where it still says this: another process may have written its own since. */
  removeGateway(file: GatewayFile): void;
}

export function stateDirectory(path: string): StateDirectory {
  const credentials = join(path, "credentials.json");
  const gateway = join(path, "gateway.json");
  const readJson = (file: string): Record<string, unknown> | undefined => {
    if (!existsSync(file)) return undefined;
    try {
      const value: unknown = JSON.parse(readFileSync(file, "utf8"));
      return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
    } catch (error) {
      throw new ViableError(
        "state.unreadable",
        `${file} cannot be read: ${error instanceof Error ? error.message : error}.`,
        {
          next: "Restore it, or remove it to have a new one made.",
          cause: error,
        },
      );
    }
  };
  // Written beside and moved into place: a reader never sees half a file, and the mode holds from the first byte.
  const writeJson = (file: string, value: object) => {
    const temporary = `${file}.${process.pid}.new`;
    writeFileSync(temporary, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
    renameSync(temporary, file);
  };
  const readGateway = (): GatewayFile | undefined => {
    const file = readJson(gateway);
    return typeof file?.url === "string" && typeof file.pid === "number" ? { url: file.url, pid: file.pid } : undefined;
  };
  return {
    path,
    database: join(path, "database"),
    backups: join(path, "backups"),
    seals: join(path, "seals.jsonl"),
    prepare() {
      try {
        mkdirSync(path, { recursive: true, mode: 0o700 });
        chmodSync(path, 0o700);
      } catch (error) {
        throw new ViableError(
          "state.not_writable",
          `State cannot be kept in ${path}: ${error instanceof Error ? error.message : error}.`,
          {
            next: "Make the folder writable, or name another with VIABLE_STATE_DIR.",
            cause: error,
          },
        );
      }
    },
    readToken() {
      const token = readJson(credentials)?.token;
      return typeof token === "string" ? token : undefined;
    },
    writeToken: (token) => writeJson(credentials, { token }),
    readGateway,
    writeGateway: (file) => writeJson(gateway, file),
    removeGateway({ url, pid }) {
      let now: GatewayFile | undefined;
      try {
        now = readGateway();
      } catch {
        // What cannot be read is not what we wrote, and no reason not to stop.
      }
      if (now?.url === url && now.pid === pid) rmSync(gateway, { force: true });
    },
  };
}
