/**
 * Whether a text can stand in the database at all: PostgreSQL's text has no NUL, UTF-8 no lone surrogates. No name in the log
 * has either, so whoever asks for such a name is answered without asking the database.
 */
export const canBeStored = (text: string): boolean => !text.includes("\u0000") && text.isWellFormed();

/**
 * The least text that comes after every text with this prefix, in byte order; undefined where there is none. An index can be
 * read between the two, which no LIKE with a parameter promises.
 */
export function afterPrefix(prefix: string): string | undefined {
  const points = Array.from(prefix, (char) => char.codePointAt(0) as number);
  while (points.length > 0) {
    const last = points.pop() as number;
    if (last === 0x10ffff) continue;
    // The code points of surrogates cannot be written: the next one after them follows.
    const next = last + 1 === 0xd800 ? 0xe000 : last + 1;
    return String.fromCodePoint(...points, next);
  }
  return undefined;
}
