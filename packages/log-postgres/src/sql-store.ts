import type { Clock } from "@viable/kernel";
import { ViableError } from "@viable/kernel";
import type { CommitOutcome, CommitResult, EncodedAppend, Follow, FollowedAppend, Store } from "@viable/log";
import { textArray } from "./array-literal.ts";
import { commitAlone } from "./commit-alone.ts";
import { commitInTransaction } from "./commit-in-transaction.ts";
import { refused } from "./errors.ts";
import { KnownHeads } from "./known-heads.ts";
import { readPage } from "./read-page.ts";
import type { Param, Session, Statement } from "./session.ts";
import { head } from "./statements/head.ts";
import { readAll } from "./statements/read-all.ts";
import { readStream, readStreams, readStreamsParams, toPages } from "./statements/read-stream.ts";
import {
  getRecords,
  listRecords,
  purgeRecords,
  readChanges,
  readChangesParams,
  toRecord,
  toRecordChangePage,
  toRecordPage,
} from "./statements/records.ts";
import { size } from "./statements/size.ts";
import { canBeStored } from "./text.ts";

/** What every store does alike, whichever way its statements travel. */
export type SqlStore = Omit<Store, "durability" | "exclusive" | "open" | "close" | "snapshot" | "restore" | "explain">;

export function createSqlStore(clock: Clock, session: Session): SqlStore {
  const heads = new KnownHeads();
  const read = (statement: Statement, params: readonly Param[]) => session.read(statement, params);
  const readHead = async () => {
    const [row] = await session.read(head, []);
    return { ordinal: Number(row?.ordinal), change: Number(row?.change) };
  };

  const commitPart = (
    part: readonly EncodedAppend[],
    now: number,
    follow: Follow | undefined,
  ): Promise<CommitResult> =>
    follow !== undefined || part.some((append) => append.with !== undefined)
      ? commitInTransaction(session, part, now, follow, clock)
      : commitAlone((statement, params) => session.write(statement, params), part, now, heads);

  return {
    async commit(batch, now, follow) {
      const outcomes: CommitOutcome[] = [];
      const followed: FollowedAppend[] = [];
      let lastChange: number | undefined;
      for (const part of splitAtRepeatedNames(batch)) {
        const result = await commitPart(part, now, follow);
        outcomes.push(...result.outcomes);
        followed.push(...(result.followed ?? []));
        lastChange = result.lastChange ?? lastChange;
      }
      return { outcomes, ...(followed.length > 0 && { followed }), lastChange };
    },
    async readStream(stream, fromVersion, limit, direction) {
      if (!canBeStored(stream)) return { events: [], isEnd: true };
      return await readPage(read, readStream(stream, fromVersion, limit, direction), limit);
    },
    async readStreams(from, limits) {
      return toPages(await session.read(readStreams, readStreamsParams(from, limits)), from.length, limits);
    },
    async readAll(from, limit, direction, filter) {
      const query = readAll(from, limit, direction, filter);
      if (query === undefined) return { events: [], isEnd: true };
      return await readPage(read, query, limit);
    },
    head: readHead,
    async getRecords(keys, now) {
      const rows = await session.read(getRecords, [textArray(keys.filter(canBeStored)), String(now)]);
      const found = new Map(rows.map((row) => [row.key, row]));
      return keys.flatMap((key) => {
        const row = found.get(key);
        return row === undefined ? [] : [toRecord(row)];
      });
    },
    async listRecords(prefix, after, limit, now) {
      if (!canBeStored(prefix) || !canBeStored(after)) return { records: [], isEnd: true };
      const query = listRecords(prefix, after, limit, now);
      return toRecordPage(await session.read(query.statement, query.params), limit);
    },
    async readChanges(after, limit, prefixes) {
      const wanted = prefixes.filter(canBeStored);
      // What no row passes is still looked for in all of them.
      if (wanted.length === 0) return { changes: [], isEnd: true, lastChange: (await readHead()).change };
      return toRecordChangePage(await session.read(readChanges, readChangesParams(after, limit, wanted)), limit);
    },
    async purgeRecords(before, limit) {
      const {
        rows: [row],
      } = await session.write(purgeRecords, [String(before), String(limit)]);
      return Number(row?.purged);
    },
    async query({ sql, params }) {
      // Anything else might end or begin a transaction on a connection that is everybody's.
      if (!/^\s*(select|with|values|table)\b/i.test(sql)) throw onlyReads();
      return await session.readForeign(sql, params).catch((error: unknown) => {
        throw error instanceof ViableError && error.details?.sqlState === readOnly ? onlyReads(error) : error;
      });
    },
    async sizeBytes() {
      const [row] = await session.read(size, []);
      return Number(row?.bytes);
    },
  };
}

/** What a server says to a write where only reading is allowed. Elsewhere it is a standby that says so, until it is promoted. */
const readOnly = "25006";

const onlyReads = (cause?: ViableError): ViableError =>
  refused("A query only reads: it begins with SELECT, WITH, VALUES or TABLE.", "Write with an append.", cause);

/**
 * Cuts a batch before every append that touches what an earlier one touched: the function decides a whole call on what was
 * there before it. Group commit never sends such a batch, so that in practice a commit is one round trip.
 */
function splitAtRepeatedNames(batch: readonly EncodedAppend[]): readonly (readonly EncodedAppend[])[] {
  const parts: EncodedAppend[][] = [];
  let part: EncodedAppend[] | undefined;
  let streams = new Set<string>();
  let keys = new Set<string>();
  for (const append of batch) {
    const touched =
      append.streams.some((write) => streams.has(write.stream)) || append.records.some((put) => keys.has(put.key));
    if (part === undefined || touched) {
      part = [];
      parts.push(part);
      streams = new Set();
      keys = new Set();
    }
    part.push(append);
    for (const write of append.streams) streams.add(write.stream);
    for (const put of append.records) keys.add(put.key);
  }
  return parts;
}
