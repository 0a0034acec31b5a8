/** Schedules and process managers know their runs by keys that begin so. */
const reserved = ["schedule:", "process:"];

/**
 * Whether runs under this key are a schedule's or a process manager's. Nobody else begins any: whoever took the key of a planned time in
 * advance would have that time's run not happen.
 */
export const isReservedKey = (key: string): boolean => reserved.some((prefix) => key.startsWith(prefix));
