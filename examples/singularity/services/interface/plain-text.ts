/**
 * One line of a text that came from elsewhere: without line breaks, control characters, what makes text look other than it is written
 * (directions, joiners, soft hyphens), and what no XML may hold. A lone half of a character becomes a replacement character.
 */
export function toPlainText(text: string, maxChars = Number.POSITIVE_INFINITY): string {
  const plain = text
    .toWellFormed()
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Noncharacter_Code_Point}]+/gu, " ")
    .trim();
  return plain.length <= maxChars ? plain : `${plain.slice(0, maxChars - 1).toWellFormed()}…`;
}
