import type { FSWatcher } from "node:fs";
import { readdirSync, watch } from "node:fs";
import { join } from "node:path";
import type { Clock, Timer } from "@viable/kernel";

export interface FolderWatch {
  /** Whether some folders are not watched because there are too many. */
  readonly partial: boolean;
  close(): void;
}

/** What a system is made of. Anything else beside it may be data that the system itself writes. */
const sourceFile = /\.(?:[cm]?[jt]sx?|json)$/;
/** More folders than this are not a system's sources, and watches are a bounded good of the machine. */
const maxFolders = 2_000;

/**
 * Calls back when source files at or below a folder have changed, once they have been quiet for `quietMs`: an editor that saves,
 * or a branch that is switched, touches many files in many steps. Dependencies and hidden folders are not looked at.
 */
export function watchFolder(folder: string, quietMs: number, clock: Clock, onChange: () => void): FolderWatch {
  const watchers = new Map<string, FSWatcher>();
  let timer: Timer | undefined;
  let partial = false;

  const add = (path: string) => {
    if (watchers.has(path)) return;
    if (watchers.size >= maxFolders) {
      partial = true;
      return;
    }
    try {
      const watcher = watch(path, (_event, name) => onEvent(path, name));
      watcher.on("error", () => remove(path));
      watchers.set(path, watcher);
      for (const entry of readdirSync(path, { withFileTypes: true }))
        if (entry.isDirectory() && isOurs(entry.name)) add(join(path, entry.name));
    } catch {
      // It went away between being listed and being watched, or is not ours to read: then nothing in it is the system's.
      remove(path);
    }
  };
  const remove = (path: string) => {
    watchers.get(path)?.close();
    watchers.delete(path);
  };
  const onEvent = (path: string, name: string | null) => {
    if (name !== null && !isOurs(name)) return;
    // It may be a new folder. Where it is not one, `add` finds out.
    if (name !== null && !sourceFile.test(name)) {
      const before = watchers.size;
      add(join(path, name));
      if (watchers.size === before) return;
    }
    timer?.cancel();
    timer = clock.setTimer(onChange, quietMs);
  };

  add(folder);
  return {
    partial,
    close() {
      timer?.cancel();
      for (const watcher of watchers.values()) watcher.close();
      watchers.clear();
    },
  };
}

const isOurs = (name: string): boolean => !name.startsWith(".") && name !== "node_modules" && name !== "dist";
