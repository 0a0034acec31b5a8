// Whether it was the database that answered, or the way to it that failed: the first is refused, the second tried again. Node's codes
// for a connection that was cut look like SQLSTATEs, so each driver's own class of errors tells.
import { messages } from "@electric-sql/pglite";
import { storeNoSpace, storeRefused, storeUnavailable } from "@viable/log";
import pg from "pg";
import { describe, expect, test } from "vitest";
import { fromDirectory, fromDriver } from "./errors.ts";
import { fromPg } from "./postgres-connection.ts";
import { toWorkerError } from "./worker-error.ts";

const nodeError = (code: string) => Object.assign(new Error(`write ${code}`), { code });
const pgError = (code: string) => Object.assign(new pg.DatabaseError("said no", 0, "error"), { code });
const pgliteError = (code: string, severity: string) =>
  Object.assign(new messages.DatabaseError("said no", 0, "error"), { code, severity });
const fromWorker = (thrown: unknown) => {
  const { message, sqlState } = toWorkerError(thrown);
  return fromDriver(new Error(message), sqlState);
};

describe.each([
  ["pg", fromPg],
  ["PGlite", fromWorker],
])("%s", (_, convert) => {
  test.each(["EPIPE", "EPERM", "EROFS", "EBUSY", "EBADF", "E2BIG", "ECONNRESET"])(
    "%s is no answer of the database: it is unavailable, and may be tried again",
    (code) => {
      expect(convert(nodeError(code))).toMatchObject({ code: storeUnavailable, retryable: true });
    },
  );

  test("a full disk has a code of its own, whoever says so", () => {
    const full = { code: storeNoSpace, retryable: false, message: "The database's disk is full." };
    expect(convert(new Error("ENOSPC: no space left on device, write"))).toMatchObject(full);
    expect(convert(new Error("could not extend file: No space left on device"))).toMatchObject(full);
  });
});

test.each([
  ["23505", storeRefused],
  ["42P01", storeRefused],
  ["53100", storeNoSpace],
  ["40001", storeUnavailable],
  ["53300", storeUnavailable],
  ["57014", storeUnavailable],
  ["25006", storeUnavailable],
])("what the database answered is judged by its SQLSTATE: %s is %s", (sqlState, code) => {
  for (const error of [fromPg(pgError(sqlState)), fromWorker(pgliteError(sqlState, "ERROR"))]) {
    expect(error).toMatchObject({ code, retryable: code === storeUnavailable });
  }
});

test("PGlite has ended with every error that is not an answer, and with an answer that is more than an error", () => {
  expect(toWorkerError(pgliteError("23505", "ERROR"))).toEqual({ message: "said no", sqlState: "23505", fatal: false });
  expect(toWorkerError(pgliteError("53100", "PANIC"))).toMatchObject({ sqlState: "53100", fatal: true });
  expect(toWorkerError(nodeError("EPIPE"))).toMatchObject({ sqlState: undefined, fatal: true });
  expect(toWorkerError("odd")).toEqual({ message: "odd", sqlState: undefined, fatal: true });
});

test("what is thrown and is no Error is told by what it has", () => {
  const words = (thrown: unknown) => toWorkerError(thrown).message;
  expect(words({ name: "ErrnoError", errno: 28 })).toBe("ErrnoError, errno 28");
  expect(words({ message: "no", code: "ENO" })).toBe("ENO, no");
  expect(words({ odd: 1 })).toBe('{"odd":1}');
  expect(words(null)).toBe("null");
  expect(fromWorker({ name: "ErrnoError", errno: 51 })).toMatchObject({ code: storeNoSpace });
});

test.each(["EACCES", "EROFS", "ENOTDIR"])("a directory that answers %s is refused with what to do", (code) => {
  expect(fromDirectory(nodeError(code), "/data/db")).toMatchObject({
    code: storeRefused,
    retryable: false,
    message: expect.stringContaining("/data/db"),
    next: expect.stringContaining("lock"),
  });
  expect(fromDirectory(new Error("ENOSPC: no space left on device, mkdir"), "/data/db").code).toBe(storeNoSpace);
});
