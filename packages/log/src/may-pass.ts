import { ViableError } from "@viable/kernel";
import { storeNoSpace, storeRefused } from "./store.ts";

/** Whether what failed may succeed later, unchanged: the database is away, or an operator has yet to make room on its disk. */
export const mayPass = (error: unknown): boolean =>
  error instanceof ViableError && (error.retryable || error.code === storeRefused || error.code === storeNoSpace);
