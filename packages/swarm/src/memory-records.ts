import type { Context, JsonValue } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { Log, StoredRecord } from "@viable/log";
import type { Memory, MemoryEntry } from "./memory.ts";

/** The name under which memory that all services share is kept; not a service's name, since those have no `@`. */
export const globalMemoryService = "@global";

const maxKeyChars = 200;
const maxNamespaceChars = 100;
/** A mebibyte of JSON: memory is for what is worked with, files are for what is stored. */
const maxValueChars = 1024 * 1024;
const defaultNamespace = "default";

/** Memory of one service and tenant, kept as records. Every key carries both (W11). */
export function createMemory(log: Log, ctx: Context, service: string): Memory {
  const prefixOf = (namespace: string) => `memory/${encode(ctx.tenant)}/${encode(service)}/${encode(namespace)}/`;
  const keyOf = (key: string, namespace: string) => {
    checkName("key", key, maxKeyChars);
    checkName("namespace", namespace, maxNamespaceChars);
    return prefixOf(namespace) + encode(key);
  };
  return {
    async get(key, namespace = defaultNamespace) {
      const record = await log.getRecord(ctx, keyOf(key, namespace));
      return record === undefined ? undefined : toEntry(record, namespace);
    },
    async set(key, value, options = {}) {
      checkValue(value);
      const expiresAt = options.expiresInMs === undefined ? null : ctx.runtime.clock.now() + options.expiresInMs;
      const outcome = await log.append(ctx, {
        records: [
          {
            key: keyOf(key, options.namespace ?? defaultNamespace),
            value,
            expected: options.expected ?? "any",
            expiresAt,
          },
        ],
      });
      if (outcome.ok) return { ok: true, version: outcome.recordVersions[0] ?? 0 };
      if (outcome.reason === "record_conflict") return { ok: false, reason: "conflict", actual: outcome.actual };
      throw notKept(outcome.reason);
    },
    async delete(key, namespace = defaultNamespace) {
      const outcome = await log.append(ctx, {
        records: [{ key: keyOf(key, namespace), value: null, expected: "any" }],
      });
      if (!outcome.ok) throw notKept(outcome.reason);
    },
    async list(namespace = defaultNamespace, options = {}) {
      checkName("namespace", namespace, maxNamespaceChars);
      const prefix = prefixOf(namespace);
      const records = await log.listRecords(ctx, prefix + encode(options.prefix ?? ""), {
        limit: Math.min(options.limit ?? 100, 1_000),
        ...(options.after !== undefined && { after: prefix + encode(options.after) }),
      });
      return records.map((record) => toEntry(record, namespace));
    },
  };
}

// Keys are whatever users choose: `%`-escapes keep them apart from the slashes between the parts.
const encode = (part: string): string => encodeURIComponent(part.toWellFormed());

function toEntry(record: StoredRecord, namespace: string): MemoryEntry {
  const key = decodeURIComponent(record.key.slice(record.key.lastIndexOf("/") + 1));
  return { namespace, key, value: record.value, version: record.version, expiresAt: record.expiresAt };
}

function checkName(what: string, name: string, maxChars: number): void {
  if (name.length === 0 || name.length > maxChars) {
    throw new ViableError(
      "memory.invalid",
      `A memory ${what} has 1 to ${maxChars} characters; this has ${name.length}.`,
    );
  }
}

function checkValue(value: JsonValue): void {
  const chars = JSON.stringify(value)?.length ?? 0;
  if (value === null) throw new ViableError("memory.invalid", "null is not kept: delete the key instead.");
  if (chars > maxValueChars) {
    throw new ViableError(
      "memory.too_large",
      `A memory value holds ${maxValueChars} characters of JSON at most; this has ${chars}.`,
      {
        next: "Keep it in parts, or keep a reference to it.",
      },
    );
  }
}

const notKept = (reason: string): ViableError =>
  new ViableError("memory.not_kept", `The database did not take it: ${reason}.`, {
    retryable: true,
    next: "Try again shortly.",
  });
