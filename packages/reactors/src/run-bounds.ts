/** What one result may take, in characters of JSON: larger ones belong into a file or a memory, and the result says where. */
export const maxResultChars = 4 * 1024 * 1024;
/** What a step may be called with that can be undone, in characters of JSON: it stands in one event, and in one append, with the result. */
export const maxUndoArgsChars = 3 * 1024 * 1024;
/** What waits for a run may hold as its key, in characters: it stands in a stream's name. */
export const maxKeyChars = 200;
