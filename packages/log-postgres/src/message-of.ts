/** What PGlite's file system answers for the system's ENOSPC: its numbers are WebAssembly's. */
const noSpace = 51;

/** What was thrown, in words. PGlite's file system throws what is no Error and has no message. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.message;
  if (typeof thrown !== "object" || thrown === null) return String(thrown);
  const { name, message, code, errno } = thrown as Readonly<Record<string, unknown>>;
  const words = [
    name,
    code,
    errno === noSpace ? "no space left on device" : message,
    errno !== undefined && `errno ${errno}`,
  ];
  return words.filter((word) => typeof word === "string" && word !== "").join(", ") || JSON.stringify(thrown);
}
