import { invalidSubject } from "./errors.ts";

/** Brokers bound their subjects, and nobody reads longer ones. */
export const maxSubjectChars = 255;

// Printable ASCII but space and the three signs that mean something. NATS would take more, other brokers would not.
const tokenPattern = /^[!-)+-\-/-=?-~]+$/;

/**
 * Throws `bus.invalid_subject` unless a message can be sent to it: tokens of printable ASCII joined by dots, at most 255
 * characters, the first not beginning with `$` or `_`, which brokers keep for themselves.
 */
export function checkSubject(subject: string): void {
  checkTokens(subject, (token) => tokenPattern.test(token));
}

/** The same for what is subscribed to: `*` may stand for one token, and `>` at the end for one or more. */
export function checkPattern(pattern: string): void {
  checkTokens(pattern, (token, isLast) => tokenPattern.test(token) || token === "*" || (token === ">" && isLast));
}

function checkTokens(subject: string, isToken: (token: string, isLast: boolean) => boolean): void {
  if (subject.length > maxSubjectChars)
    throw invalidSubject(subject, `it is longer than ${maxSubjectChars} characters`);
  if (subject.startsWith("$") || subject.startsWith("_"))
    throw invalidSubject(subject, "names that begin with $ or _ belong to the broker");
  const tokens = subject.split(".");
  tokens.forEach((token, index) => {
    if (token === "") throw invalidSubject(subject, "a token is empty");
    if (!isToken(token, index === tokens.length - 1)) throw invalidSubject(subject, `"${token}" is not a token`);
  });
}

/** Whether a pattern has a wildcard; without one it matches only itself. */
export const hasWildcard = (pattern: string): boolean => /(^|\.)[*>](\.|$)/.test(pattern);

/** Whether a subject matches a pattern, by the rules of NATS. Both must have been checked. */
export function matchesSubject(pattern: readonly string[], subject: readonly string[]): boolean {
  for (let index = 0; index < pattern.length; index++) {
    const wanted = pattern[index];
    if (wanted === ">") return index < subject.length;
    if (index >= subject.length || (wanted !== "*" && wanted !== subject[index])) return false;
  }
  return pattern.length === subject.length;
}

/**
 * Any text as one token, so that a tenant or a name from outside can stand in a subject and cannot change its meaning (W11).
 * Different texts give different tokens.
 */
export function toSubjectToken(text: string): string {
  if (text === "" || !text.isWellFormed()) throw invalidSubject(text, "a token is well-formed text and not empty");
  const token = encodeURIComponent(text).replace(/[.*]/g, (sign) => (sign === "." ? "%2E" : "%2A"));
  return /^[_$]/.test(token) ? `%${token.charCodeAt(0).toString(16).toUpperCase()}${token.slice(1)}` : token;
}
