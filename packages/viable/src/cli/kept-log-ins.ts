import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import { wrongUsage } from "./exit-status.ts";

const shape = z.record(z.string(), z.object({ token: z.string(), user: z.string(), expiresAt: z.string() }));
type Kept = z.infer<typeof shape>;

/** Tokens of log-ins by the gateway's address, in a file that its owner alone may read. Each is shown to its own gateway and to no other. */
export function keptLogIns(file: string | undefined) {
  const readAll = (): Kept => {
    if (file === undefined || !existsSync(file)) return {};
    try {
      return shape.parse(JSON.parse(readFileSync(file, "utf8")));
    } catch {
      throw wrongUsage(`${file} cannot be read.`, "Remove it, and log in again.");
    }
  };
  const writeAll = (all: Kept): void => {
    if (file === undefined) throw wrongUsage("There is no home folder to keep a log-in in.", "Set XDG_CONFIG_HOME.");
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    // Written beside and moved into place: a reader never sees half a file, and the mode holds from the first byte.
    const temporary = `${file}.${process.pid}.new`;
    writeFileSync(temporary, `${JSON.stringify(all, null, 2)}\n`, { mode: 0o600 });
    renameSync(temporary, file);
  };
  return {
    /** The token for a gateway, where it has not expired. */
    read(url: string, now: number): string | undefined {
      const kept = readAll()[url];
      return kept !== undefined && Date.parse(kept.expiresAt) > now ? kept.token : undefined;
    },
    write: (url: string, kept: Kept[string]): void => writeAll({ ...readAll(), [url]: kept }),
    remove(url: string): void {
      const { [url]: _gone, ...others } = readAll();
      writeAll(others);
    },
  };
}
