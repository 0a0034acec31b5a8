import type ts from "typescript-api";
import type { TypeScript } from "../../source/parse-script.ts";

/** The tokens of a file without comments and white space, as numbers that are equal where their texts are. */
export interface Tokens {
  readonly ids: readonly number[];
  /** The line of each, from 1. */
  readonly lines: readonly number[];
}

/** Numbers for texts; one for all files of a run. */
export type TokenIds = Map<string, number>;

/**
 * Cuts a file into tokens for comparison. Import declarations are left out: two files that need the same things have the
 * same imports, and nobody would want that otherwise.
 */
export function readTokens(typescript: TypeScript, source: ts.SourceFile, known: TokenIds): Tokens {
  const { SyntaxKind } = typescript;
  const { text } = source;
  const scanner = typescript.createScanner(typescript.ScriptTarget.ESNext, true, source.languageVariant, text);
  const ids: number[] = [];
  const lines: number[] = [];
  const imports = source.statements.filter((each) => typescript.isImportDeclaration(each));
  // Where a `}` ends the inserted part of a template and its text goes on.
  const templates: number[] = [];
  let depth = 0;
  let line = 1;
  let counted = 0;
  let last: ts.SyntaxKind | undefined;
  for (let kind = scanner.scan(); kind !== SyntaxKind.EndOfFileToken; kind = scanner.scan()) {
    const skipped = imports[0];
    if (skipped !== undefined && scanner.getTokenStart() >= skipped.getStart(source)) {
      imports.shift();
      scanner.resetTokenState(Math.max(skipped.end, scanner.getTokenEnd()));
      last = undefined;
      continue;
    }
    // The scanner alone cannot tell a division from a regular expression, nor a block's end from a template's middle.
    if ((kind === SyntaxKind.SlashToken || kind === SyntaxKind.SlashEqualsToken) && !endsOperand(typescript, last)) {
      kind = scanner.reScanSlashToken();
    } else if (kind === SyntaxKind.CloseBraceToken && templates.at(-1) === depth) {
      kind = scanner.reScanTemplateToken(false);
      if (kind !== SyntaxKind.TemplateMiddle) templates.pop();
    } else if (kind === SyntaxKind.TemplateHead) templates.push(depth);
    else if (kind === SyntaxKind.OpenBraceToken) depth++;
    else if (kind === SyntaxKind.CloseBraceToken) depth--;
    last = kind;
    const start = scanner.getTokenStart();
    for (let at = text.indexOf("\n", counted); at !== -1 && at < start; at = text.indexOf("\n", at + 1)) {
      line++;
      counted = at + 1;
    }
    const word = scanner.getTokenText();
    const id = known.get(word) ?? known.size;
    known.set(word, id);
    ids.push(id);
    lines.push(line);
  }
  return { ids, lines };
}

/** Whether a `/` after this token divides. After a closing brace it may do either; a regular expression there is rare. */
function endsOperand(typescript: TypeScript, kind: ts.SyntaxKind | undefined): boolean {
  const { SyntaxKind } = typescript;
  switch (kind) {
    case SyntaxKind.Identifier:
    case SyntaxKind.NumericLiteral:
    case SyntaxKind.BigIntLiteral:
    case SyntaxKind.StringLiteral:
    case SyntaxKind.RegularExpressionLiteral:
    case SyntaxKind.NoSubstitutionTemplateLiteral:
    case SyntaxKind.TemplateTail:
    case SyntaxKind.CloseParenToken:
    case SyntaxKind.CloseBracketToken:
    case SyntaxKind.CloseBraceToken:
    case SyntaxKind.ThisKeyword:
    case SyntaxKind.SuperKeyword:
    case SyntaxKind.NullKeyword:
    case SyntaxKind.TrueKeyword:
    case SyntaxKind.FalseKeyword:
    case SyntaxKind.PlusPlusToken:
    case SyntaxKind.MinusMinusToken:
    case SyntaxKind.LessThanToken:
      return true;
    default:
      return false;
  }
}
