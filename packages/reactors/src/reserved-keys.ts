/** Schedules, process managers and tasks know their runs by keys that begin so. */
const reserved = ["schedule:", "process:", "task:"];

/**
 * Whether runs under this key are a schedule's, a process manager's or a task's. Nobody else begins any: whoever took the key of a planned time in
 * advance would have that time's run not happen, and whoever took a task's would be whom it waits for.
 */
export const isReservedKey = (key: string): boolean => reserved.some((prefix) => key.startsWith(prefix));
